/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 by libcrypto's EVP interface. Should libcrypto fail in the middle (it has no reason to but memory),
 * the digest is 32 zero bytes, which no text is known to have.
 */
#include "base/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

struct ib_sha256 {
    EVP_MD_CTX *context;
    bool failed;
};

ib_sha256 *ib__sha256_new(void) {
    ib_sha256 *state = ib__alloc(1, sizeof *state);
    if (state == NULL) return NULL;
    state->context = EVP_MD_CTX_new();
    if (state->context == NULL || EVP_DigestInit_ex(state->context, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(state->context);
        ib__free(state);
        return NULL;
    }
    return state;
}

void ib__sha256_add(ib_sha256 *state, const void *bytes, size_t n) {
    if (n > 0 && EVP_DigestUpdate(state->context, bytes, n) != 1) state->failed = true;
}

void ib__sha256_u64(ib_sha256 *state, uint64_t value) {
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    ib__sha256_add(state, bytes, sizeof bytes);
}

void ib__sha256_text(ib_sha256 *state, const char *text) {
    ib__sha256_add(state, text, strlen(text) + 1);
}

ib_digest ib__sha256_end(ib_sha256 *state) {
    ib_digest digest = {{0}};
    if (EVP_DigestFinal_ex(state->context, digest.bytes, NULL) != 1 || state->failed)
        digest = (ib_digest){{0}};
    EVP_MD_CTX_free(state->context);
    ib__free(state);
    return digest;
}

ib_digest ib__sha256(const void *bytes, size_t n) {
    ib_digest digest = {{0}};
    if (EVP_Digest(n > 0 ? bytes : "", n, digest.bytes, NULL, EVP_sha256(), NULL) != 1)
        digest = (ib_digest){{0}};
    return digest;
}

/* O_NONBLOCK, so that a pipe at this path is refused instead of waited for. */
ib_status ib__sha256_file(ib_digest *out, const char *path, ib_error *err) {
    ib_status status = IB_OK;
    ib_sha256 *state = ib__sha256_new();
    if (state == NULL) return ib__fail_memory(err);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (file < 0 || fstat(file, &st) != 0)
        status = ib__fail(err, IB_IO, path, "cannot be opened: %s", strerror(errno));
    else if (!S_ISREG(st.st_mode))
        status = ib__fail(err, IB_IO, path, "expected a file, found a folder, device or pipe");
    while (status == IB_OK) {
        char block[65536];
        ssize_t n = read(file, block, sizeof block);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) status = ib__fail(err, IB_IO, path, "cannot be read: %s", strerror(errno));
        if (n <= 0) break;
        ib__sha256_add(state, block, (size_t)n);
    }
    if (file >= 0) close(file);
    if (status == IB_OK && state->failed) status = ib__fail(err, IB_INTERNAL, path, "libcrypto failed");
    ib_digest digest = ib__sha256_end(state);
    if (status == IB_OK) *out = digest;
    return status;
}

void ib__digest_hex(char out[65], const ib_digest *digest) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 32; i++) {
        out[2 * i] = digits[digest->bytes[i] >> 4];
        out[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    out[64] = '\0';
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

int ib__digest_parse(ib_digest *out, const char *hex) {
    ib_digest digest = {{0}};
    for (size_t i = 0; i < 64; i++) {
        int d = hex_digit(hex[i]);
        if (d < 0) return 0;
        digest.bytes[i / 2] = (uint8_t)(digest.bytes[i / 2] << 4 | d);
    }
    if (hex[64] != '\0') return 0;
    *out = digest;
    return 1;
}
