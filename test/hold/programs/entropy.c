/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints what each way of asking the kernel or libc for entropy gives: one line a way, "name: hex". With the
 * word "raw" it asks by the machine's own instruction, which no library can stand before.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIG ((size_t)3 << 20)

static void print(const char *name, const void *bytes, size_t n) {
    printf("%s: ", name);
    for (size_t i = 0; i < n; i++)
        printf("%02x", ((const unsigned char *)bytes)[i]);
    printf("\n");
}

static void *in_thread(void *out) {
    return getrandom(out, 8, 0) == 8 ? out : NULL;
}

/* The last bytes of a long read, which a short file would not have. */
static void read_device(void) {
    static unsigned char big[BIG];
    size_t n = 0;
    int file = open("/dev/urandom", O_RDONLY);
    for (ssize_t got; n < BIG && (got = read(file, big + n, BIG - n)) > 0;)
        n += (size_t)got;
    close(file);
    if (n == BIG) print("open", big + BIG - 8, 8);
    FILE *stream = fopen("/dev/random", "rb");
    if (stream != NULL && fread(big, 1, 8, stream) == 8) print("fopen", big, 8);
    if (stream != NULL) fclose(stream);
}

static int raw(void) {
    unsigned char bytes[8] = {0};
#if defined(__x86_64__)
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(SYS_getrandom), "D"(bytes), "S"(sizeof bytes), "d"(0), "r"(0)
                     : "rcx", "r11", "memory");
    if (result != (long)sizeof bytes) return 1;
#elif defined(__aarch64__)
    register long call __asm__("x8") = SYS_getrandom, a __asm__("x0") = (long)bytes, c __asm__("x2") = 0;
    register long b __asm__("x1") = (long)sizeof bytes, d __asm__("x3") = 0;
    __asm__ volatile("svc #0" : "+r"(a) : "r"(call), "r"(b), "r"(c), "r"(d) : "memory");
    if (a != (long)sizeof bytes) return 1;
#endif
    print("raw", bytes, sizeof bytes);
    return 0;
}

int main(int argc, char **argv) {
    uint64_t a = 0, b = 0, c = 0, d[2] = {0};
    pthread_t threads[2];
    if (argc > 1 && strcmp(argv[1], "raw") == 0) return raw();
    if (getrandom(&a, sizeof a, 0) != 8 || getentropy(&b, sizeof b) != 0) return 1;
    if (syscall(SYS_getrandom, &c, sizeof c, 0) != 8) return 1;
    print("getrandom", &a, sizeof a);
    print("getentropy", &b, sizeof b);
    print("syscall", &c, sizeof c);
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, in_thread, &d[i]) != 0) return 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    print("thread 1", &d[0], 8);
    print("thread 2", &d[1], 8);
    read_device();
    return 0;
}
