/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IPC_BUNDLE_H
#define IPC_BUNDLE_H

/*
 * `nodeseal bundle import` -> core, over <run>/bundle.sock (0600: who started
 * the agent), one request a connection:
 *	-> BUNDLE_IMPORT, with the bundle's file, open for reading
 *	<- BUNDLE_ANSWER {u32 enum err_kind, str what was done or why not}
 * With no agent there, the file is left as <state>/BUNDLE_INBOX/ID.bundle, and
 * core takes it up, and away, when it starts.
 */
enum bundle_frame { BUNDLE_IMPORT = 1, BUNDLE_ANSWER };

#define BUNDLE_SOCKET "bundle.sock"
#define BUNDLE_FRAME_MAX 65536
#define BUNDLE_INBOX "bundles"
#define BUNDLE_SUFFIX ".bundle"

#endif
