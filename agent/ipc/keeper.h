/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IPC_KEEPER_H
#define IPC_KEEPER_H

/*
 * keeper -> core, over the socket that core inherits.  Each frame hands over
 * one descriptor; a later frame of the same meaning replaces it (the peer was
 * started again).  Core, which has given up every right to the file system,
 * also gets the manifests opened here.  Body: a wire string naming what it is
 * for.  End of file
 * means that the keeper is gone: end within 2 s.
 *
 *	KEEPER_FSPROJ	connected SOCK_SEQPACKET to nodeseal-fsproj
 *	KEEPER_ZYGOTE	connected SOCK_STREAM to nodeseal-job's zygote
 *	KEEPER_LISTEN	listening SOCK_STREAM; body: "status", "key", "bundle",
 *			"csi:DRIVER" or "reg:DRIVER"
 *	KEEPER_READY	no descriptor: all that there is has been sent
 *	KEEPER_LINK	connected SOCK_STREAM to nodeseal-link (ipc/link.h)
 *	KEEPER_NOTES	<run>/volumes, open for reading and writing: what core
 *			wants to know of mounted volumes after its own end (no
 *			secret); comes first
 *	KEEPER_FOLDER	answer to KEEPER_FOLDER: the folder of manifests, open
 *			for listing, an inotify descriptor that watches it and
 *			(second watch) its parent, and /proc/self/mountinfo;
 *			none when it cannot be opened, body: why
 *	KEEPER_FILE	answer to KEEPER_FILE: body: the name, and why when
 *			there is no descriptor
 *	KEEPER_TPM	answer to KEEPER_TPM: connected SOCK_STREAM to a new
 *			nodeseal-tpm (seal/tpm_wire.h); none when it cannot be
 *			started
 *	KEEPER_CONFIG	--config was read again; body: u32 N and N strings,
 *			the words of run_config_words
 *	KEEPER_ISSUER	what an --issuer-key names, open for reading; body: its
 *			name; no descriptor: it cannot be opened
 *	KEEPER_BUNDLES	as KEEPER_FOLDER, and KEEPER_BUNDLE as KEEPER_FILE, of
 *			the folder of --bundles
 * core -> keeper:
 *	KEEPER_FOLDER	open the folder of --manifests (again); body: ""
 *	KEEPER_FILE	open a file directly in it for reading; body: its name
 *	KEEPER_TPM	start a nodeseal-tpm; body: ""
 *	KEEPER_BUNDLES, KEEPER_BUNDLE	the same of the folder of --bundles
 *	KEEPER_REBIND	body "reg:DRIVER": bind that socket anew and send it
 *	KEEPER_DEGRADED	body: one line for status, from a process's own start
 */
enum keeper_frame {
	KEEPER_FSPROJ = 1, KEEPER_ZYGOTE, KEEPER_LISTEN, KEEPER_READY,
	KEEPER_REBIND, KEEPER_DEGRADED, KEEPER_FOLDER, KEEPER_FILE,
	KEEPER_NOTES, KEEPER_LINK, KEEPER_TPM, KEEPER_CONFIG, KEEPER_ISSUER,
	KEEPER_BUNDLES, KEEPER_BUNDLE
};

#define KEEPER_FRAME_MAX (128u << 10)	/* all words of a configuration */
#define KEEPER_WORDS_MAX 8192

/* Exit status of a child that must not run as things are (--require-sandbox):
 * it is not started again, the keeper ends. */
#define KEEPER_REFUSED 77

/*
 * Descriptor numbers by which a started program finds its channel, and core
 * what it needs before it gives up its rights: the state directory, the witness
 * (both open for writing), and what each --key-source names, in their order
 * (seal/key_source.h; of a TPM, a socket to its own nodeseal-tpm).  A number
 * that is not open could not be had.
 */
#define KEEPER_CHILD_FD 3
#define KEEPER_STATE_FD 4
#define KEEPER_WITNESS_FD 5
#define KEEPER_SOURCE_FD 6
/*
 * In link and the zygote, where there is an API server: the folder of the
 * in-cluster account (token, ca.crt, namespace; read anew each time) or the
 * kubeconfig, open for reading; one of them is open.  The zygote never reads
 * them: children that resolve or apply do, all others close them before they
 * read their request.
 */
#define KEEPER_ACCOUNT_FD 20
#define KEEPER_KUBECONFIG_FD 21

#endif
