/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IPC_RUN_CONFIG_H
#define IPC_RUN_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/log.h"

/*
 * The flags of `nodeseal run` (INTERFACES.md §1), parsed once by the keeper,
 * handed to the others as the same words on their command line.  Every flag
 * is also a line `name = value` of --config FILE ('#' starts a comment); the
 * command line wins.  One table names each flag, its type, its default and
 * its one-line help, and --help is printed from it.
 */
#define KEY_SOURCES_MAX 4

struct run_config {
	char *config;		/* file, NULL */
	char *node;
	char *manifests;	/* NULL: a cluster */
	char *kubeconfig;	/* NULL: the in-cluster account */
	char *listen;		/* "ADDR:PORT"; NULL: nowhere */
	char *class_name;
	int claim_unclassed;
	char *state, *run;
	char *witness;		/* default: <state>.witness */
	char **key_sources;	/* at least one; seal/key_source.h */
	size_t nkey_sources;
	char *tpm;		/* a TPM's device, or an emulator's socket */
	char *bundles;		/* folder, NULL */
	char **issuer_keys;	/* public keys: who may sign bundles */
	size_t nissuer_keys;
	char *kubelet_dir;
	int csi;
	char *csi_targets;	/* default: <kubelet_dir>/pods */
	char **host_dirs;	/* at least one */
	size_t nhost_dirs;
	int host_dirs_on_disk;
	char *fsproj;		/* socket of a running one; NULL: our own */
	int max_jobs;
	enum log_level log_level;
	enum log_format log_format;
	char *delim_left, *delim_right;
	int generic_targets;
	int allow_ambient_identity;
	int require_sandbox;
	char **node_labels;	/* "k=v" */
	size_t nnode_labels;
	char *volume_context;	/* NULL: none */
	uid_t user;
	int help;
};

/**
 * run_config_parse(argc, argv, ret, err):
 * Parse the words behind `run`.  INVALID names the flag and the remedy (did
 * you mean); the caller exits with status 2.
 */
int run_config_parse(int argc, char **argv, struct run_config *ret,
    struct err *err);
void run_config_clear(struct run_config *c);
/* run_config_listen(s, ret_host, ret_port, err): "ADDR:PORT" in its parts, an
 * IPv6 address without its brackets, "" for every address; the host is the
 * caller's. */
int run_config_listen(const char *s, char **ret_host, uint16_t *ret_port,
    struct err *err);

/* What may change while the agent runs, and what that concerns. */
enum run_live {
	RUN_FIXED = 0,		/* nothing: it holds from the next start on */
	RUN_LOG = 1,
	RUN_JOBS = 2,
	RUN_LABELS = 4,		/* which HostProjections are ours */
	RUN_OBJECTS = 8		/* what becomes of every ExternalSecret */
};

/**
 * run_config_take(c, fresh, told, arg):
 * Take over from ${fresh} what may change while the agent runs; what it gets
 * in exchange is freed with it.  told(arg, name, what) is called for every flag
 * whose value is another one (may be NULL).  Returns all of what changed, as
 * bits of enum run_live.
 */
unsigned run_config_take(struct run_config *c, struct run_config *fresh,
    void (*told)(void *arg, const char *name, enum run_live what), void *arg);
/* run_config_words(c): the words from which run_config_parse makes the same
 * again without a --config; NULL behind the last, the list and each word to be
 * freed. */
char **run_config_words(const struct run_config *c);
/* run_config_help(): the table as text, fits a screen of 24 x 80 a page. */
char *run_config_help(void);

#endif
