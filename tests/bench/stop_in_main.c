/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a program of ours: stops it once its libraries are loaded and
 * initialised, so that what they alone cost can be measured.
 */
#include <unistd.h>

static void stop(void) __attribute__((constructor));

static void
stop(void)
{
	for (;;)
		pause();
}
