/* SPDX-License-Identifier: MIT */
/* longjmp.c - for programs under ThreadSanitizer: shows it the jumps of Lua.
 *
 * Debian's Lua is fortified, so that its errors leave by __longjmp_chk, which
 * TSan does not know: the frames that were left would stay on its stack for
 * ever, until it has no room for them. */
#include <setjmp.h>

/* Exported, for liblua. */
__attribute__((visibility("default"))) void __longjmp_chk(jmp_buf env,
                                                          int value);

void __longjmp_chk(jmp_buf env, int value) {
  longjmp(env, value);
}
