// Loops shared by a team: each place once, whoever takes it; exits with the errors found. Run with a thread sanitiser.
#include <cstdio>

#include "threads.h"

using namespace tandem;

constexpr int kSizes[] = {0, 1, 2, 3, 7, 100, 1000};

// Each place is done once, by a thread of the team, and all are done when the loop returns.
int shared(Team& team, int size, int count, int largest) {
    std::vector<int> times(count);
    std::vector<int> ranks(count);
    team.share(count, largest, [&](int first, int last, int rank) {
        for (int place = first; place < last; place++) {
            times[place]++;
            ranks[place] = rank;
        }
    });
    int errors = 0;
    for (int place = 0; place < count; place++) errors += times[place] != 1 || ranks[place] < 0 || ranks[place] >= size;
    return errors;
}

int loops(int size) {
    Team team(size);
    int errors = 0;
    for (int round = 0; round < 300; round++) {
        team.begin();
        for (int count : kSizes) errors += shared(team, size, count, 1 + round % 9);
        if (round % 100 == 99) std::this_thread::sleep_for(std::chrono::milliseconds(2));  // the others fall asleep
        team.end();
    }
    return errors;
}

// A step that lost more by waiting than it won is followed by some alone, ever more of them while that lasts.
int judged() {
    using std::chrono::microseconds;
    Sharing sharing;
    int errors = 0, alone = 0;
    auto step = [&](int others, int waited) {
        sharing.begin();
        bool is_on = sharing.is_on();
        if (is_on) sharing.judge(10, others, microseconds(100), microseconds(waited));
        sharing.end();
        return is_on;
    };
    for (int i = 0; i < 5; i++) errors += !step(10, 99);  // ten places more would have taken 100 us
    errors += !step(10, 101);
    while (!step(10, 101)) alone++;
    errors += alone != 2;
    alone = 0;
    while (!step(10, 0)) alone++;
    errors += alone != 4;
    return errors + !step(10, 0);
}

int main() {
    int errors = judged();
    if (errors > 0) std::printf("%d errors in judging sharing\n", errors);
    for (int size : {1, 2, 5}) {
        int found = loops(size);
        if (found > 0) std::printf("%d errors in a team of %d\n", found, size);
        errors += found;
    }
    return errors > 0;
}
