// Starts the parts of the page.

import { followHistory } from "./clock.js";
import { setUpRace } from "./race.js";
import { setUpRuns } from "./runs.js";
import { followStatus } from "./status.js";
import { setUpText } from "./text.js";
import { setUpWalk } from "./walk.js";

setUpRace();
setUpText();
setUpWalk();
setUpRuns();
followStatus();
followHistory();
