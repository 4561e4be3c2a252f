/* Gives 11 MiB (11,534,336 bytes) of valid JSON, more than the 10 MiB that a capability may give by default. */
#include "extism.h"

#define LENGTH (11ull << 20)

EXPORT(flood) int flood(void) {
    u64 to = extism_alloc(LENGTH);
    if (to == 0)
        return 1;
    for (u64 at = 0; at < LENGTH; at += 8)
        extism_store_u64(to + at, 0x6161616161616161ull);
    extism_store_u8(to, '"');
    extism_store_u8(to + LENGTH - 1, '"');
    extism_output_set(to, LENGTH);
    return 0;
}
