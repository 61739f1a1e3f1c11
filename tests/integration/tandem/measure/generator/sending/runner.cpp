// The sender with a minimal Python's part in C++, to be compiled with sanitisers: closed loop, four callers on two
// connections, until COUNT requests have ended. Leaves out of replies what real routes leave out. Prints how they ended.
//
//   runner PORT COUNT

#include <stdio.h>
#include <stdlib.h>

#include "sender.h"

int main(int, char** words) {
    const int count = atoi(words[2]);
    void* handle = tandem_sender_open("test");
    auto& sender = *static_cast<Sender*>(handle);
    uint32_t bulk[] = {2, 1};
    tandem_sender_route(handle, "/test.Service/Unary", "100m", 0.1, false, true, bulk, 2);
    tandem_sender_route(handle, "/test.Service/Stream", "100m", 0.1, true, true, bulk, 2);
    const sockaddr_in server{AF_INET, htons(uint16_t(atoi(words[1]))), {htonl(INADDR_LOOPBACK)}, {}};
    for (int number = 0; number < 2; ++number) {
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (const sockaddr*)&server, sizeof server) != 0) return 2;
        tandem_sender_adopt(handle, fd);
    }
    Block block{std::make_shared<const std::string>(std::string("\0\0\0\0\2ab", 7)), {}};
    for (int number = 0; number < count; ++number)
        block.specs.push_back({number, NAN, number % 7 == 0 ? 0.01 : INFINITY, NAN, 0, 7, number % 2, 1});
    sender.feed(std::move(block), true);
    Load load;
    load.zero = now();
    load.drain_seconds = 1;
    load.ends_at = INFINITY;
    load.budget = -1;
    load.pause_seconds = 0.001;
    sender.start(load, std::vector<Caller>(4, Caller{0, INFINITY}));
    sender.join();
    const Seen& seen = sender.seen;
    int ok = 0;
    for (const Row& row : seen.rows) ok += row.code == status_ok;
    size_t size = 0;
    for (const MessageRow& message : seen.messages) size += size_t(message.size);
    const bool is_whole = int(seen.rows.size()) == count && seen.message_bytes.size() == size;
    delete &sender;
    printf("%s %d\n", is_whole ? "whole" : "parts are missing", ok);
}
