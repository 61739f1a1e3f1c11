// Starts the parts of the page.

import { followHistory } from "./clock.js";
import { setUpRace } from "./race/race.js";
import { setUpRuns } from "./runs.js";
import { followStatus } from "./status.js";
import { setUpText } from "./text/text.js";
import { setUpWalk } from "./walk/walk.js";

setUpRace();
setUpText();
setUpWalk();
setUpRuns();
followStatus();
followHistory();
