/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IPC_KEYS_H
#define IPC_KEYS_H

/*
 * `nodeseal key` and `nodeseal pubkey` -> core, over <run>/key.sock (0600): one
 * request, its answer, the end.  Who may open the socket is root, who could
 * read the key sources as well.
 *
 *	KEYS_LIST	nothing more
 *	KEYS_ADD	the new slot's source
 *	KEYS_REMOVE	the slot's id; the TPM, when it is a TPM's last one
 *	KEYS_ROTATE	every slot's source: a new root key
 *	KEYS_EPOCH	nothing more: a new epoch of the same root key
 *
 * Body of a request: u32 id, u32 n, n strings as behind --key-source; with it
 * n descriptors (seal/key_source.h).  KEYS_ANSWER: u8 kind of error (0: none),
 * the message, and the list as JSON (seal/key_table.h) with "publicKey" and
 * "fingerprint" (seal/node_key.h).  That of a rotation comes when all is sealed
 * anew and nothing of the old key is left.
 */
enum keys_frame {
	KEYS_LIST = 1, KEYS_ADD, KEYS_REMOVE, KEYS_ROTATE, KEYS_EPOCH,
	KEYS_ANSWER
};

#define KEYS_FRAME_MAX 65536
#define KEYS_SOURCES_MAX 8
#define KEYS_ANSWER_MS 120000

#endif
