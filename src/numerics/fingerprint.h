/* SPDX-License-Identifier: Apache-2.0
 *
 * The hashes of byte strings by which TensorFlow sorts texts and numbers into buckets: FarmHash's
 * Fingerprint64, SipHash-2-4, and how two fingerprints are joined.
 */
#ifndef IB_NUMERICS_FINGERPRINT_H
#define IB_NUMERICS_FINGERPRINT_H

#include <stddef.h>
#include <stdint.h>

/* FarmHash's Fingerprint64 (its variant "na"), tf.strings.to_hash_bucket_fast. */
uint64_t ib__fingerprint(const void *bytes, size_t n);
/* SipHash-2-4, tf.strings.to_hash_bucket_strong. */
uint64_t ib__siphash(const uint64_t key[2], const void *bytes, size_t n);
/* TensorFlow's FingerprintCat64, of tf.sparse.cross_hashed. */
uint64_t ib__fingerprint_join(uint64_t a, uint64_t b);

#endif
