/* Loops for ever: for the demo and the tests, to be stopped by fuel or clock. */
#include "extism.h"

EXPORT(spin) int spin(void) {
    volatile u32 turns = 0;
    for (;;)
        turns++;
}
