// Reads records (a size of four bytes before each), and prints how many of them the compiled reader takes. Each lies in
// memory of its very size, so that a sanitiser notices a read beyond it.

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <memory>

extern "C" uint64_t tandem_gan_quick_calls(const char* records, uint64_t size, const char* path, uint64_t path_size,
                                           void* found, uint64_t most);

int main(int, char** arguments) {
    const char* path = arguments[1];
    alignas(8) char found[88];
    uint64_t count = 0;
    for (uint32_t size; fread(&size, sizeof size, 1, stdin) == 1;) {
        const std::unique_ptr<char[]> record(new char[size]);
        if (fread(record.get(), 1, size, stdin) != size) return 1;
        count += tandem_gan_quick_calls(record.get(), size, path, strlen(path), found, 1);
    }
    printf("%llu\n", static_cast<unsigned long long>(count));
}
