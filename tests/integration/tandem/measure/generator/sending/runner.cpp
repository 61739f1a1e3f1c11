// The sender with a minimal Python's part in C++, to be compiled with sanitisers: closed loop, four callers on two
// connections, until COUNT requests have ended. Takes from replies what real readings take. Prints how they ended.
//
//   runner PORT COUNT

#include <stdio.h>
#include <stdlib.h>

#include "sender.h"

static void column(void* sender, std::vector<uint32_t> path, std::vector<uint8_t> forms, Take take) {
    tandem_sender_column(sender, path.data(), forms.data(), path.size(), int(take));
}

static void add_route(void* sender, const char* path, bool is_streamed) {
    const auto block = uint8_t(Form::block), varint = uint8_t(Form::varint), floating = uint8_t(Form::floating64);
    tandem_sender_route(sender, path, "100m", 0.1, is_streamed, 0);
    column(sender, {1}, {varint}, Take::count);
    column(sender, {2, 1}, {block, varint}, Take::first);
    column(sender, {}, {}, Take::bytes);
    column(sender, {3}, {block}, Take::count);
    for (uint32_t number = 1; number < 9; ++number) column(sender, {3, number}, {block, floating}, Take::last);
}

int main(int, char** words) {
    const int count = atoi(words[2]);
    void* handle = tandem_sender_open("127.0.0.1", words[1], "test", 2);
    auto& sender = *static_cast<Sender*>(handle);
    add_route(handle, "/test.Service/Unary", false);
    add_route(handle, "/test.Service/Stream", true);
    if (sender.connect(10) != 0) return 2;
    Block block{std::make_shared<const std::string>(std::string("\0\0\0\0\2ab", 7)), {}};
    for (int number = 0; number < count; ++number)
        block.specs.push_back({number, NAN, number % 7 == 0 ? 0.01 : INFINITY, 0, 7, number % 2, 1});
    sender.feed(std::move(block));
    sender.feed_no_more();
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
    const bool is_whole = int(seen.rows.size()) == count && seen.values.size() == seen.rows.size() * 12;
    delete &sender;
    printf("%s %d\n", is_whole ? "whole" : "parts are missing", ok);
}
