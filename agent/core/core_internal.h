/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CORE_INTERNAL_H
#define CORE_CORE_INTERNAL_H

#include "base/clock.h"
#include "base/loop.h"
#include "core/cache.h"
#include "core/catalog.h"
#include "ipc/chan.h"
#include "core/circuit.h"
#include "core/item.h"
#include "core/jobs.h"
#include "core/keys.h"
#include "core/plan.h"
#include "core/schedule.h"
#include "core/source.h"
#include "csi/csi.h"
#include "ipc/run_config.h"
#include "proj/proj.h"

/*
 * All of core's state, and what its files ask of each other.  One thread, one
 * loop; nothing here blocks.
 */

/* What is known of a store beside its object. */
struct store_state {
	char *key;		/* "Kind/ns/name" */
	struct core *core;
	struct circuit circuit;
	struct due probe_due;
	uint64_t requests, logins;
	int known, valid;	/* a job has said so */
	char *reason, *message;
	char *last_error;	/* of the last failure that counted */
	uint64_t errors;	/* items that failed by an answer of it */
};

/* A provider host that asked for patience. */
struct host_state {
	char *host;
	struct core *core;
	struct bucket bucket;
	struct due due;
};

/* How files get out: fsproj's client, or a test's stand-in. */
struct projector {
	int (*connected)(void *p);
	unsigned (*degraded)(void *p);	/* PROJ_SWAPPABLE … */
	void (*aim)(void *p, const struct proj_target *target);
	int (*write)(void *p, const struct proj_target *target,
	    const struct proj_file *files, size_t n, proj_fill_fn fill,
	    proj_done_fn done, void *arg, struct err *err);
	int (*remove)(void *p, const struct proj_target *target,
	    proj_done_fn done, void *arg, struct err *err);
	int (*list)(void *p, proj_list_fn done, void *arg, struct err *err);
	int (*bind)(void *p, const char *path, proj_bind_fn done, void *arg,
	    struct err *err);
	void (*lull)(void *p);
	void (*free)(void *p);
};

#define CORE_DRIVERS 2

struct csi_driver {
	struct core *core;
	const char *name;
	struct csi_server *server;
	int csi_fd, reg_fd;	/* -1: not here yet, or the server's */
	int csi_asked, reg_asked;
};

struct core {
	struct run_config *cfg;
	const struct clock *clock;
	struct loop *loop;
	struct schedule *schedule;
	struct keys *keys;
	struct cache cache;
	struct catalog *catalog;
	struct jobs *jobs;
	struct plan *plan;
	struct strmap *items;		/* "ns/name" -> struct item */
	struct strmap *stores;		/* key -> struct store_state */
	struct strmap *hosts;		/* provider host -> struct host_state */
	struct source *source;
	/* With an API server alone. */
	struct line *line;		/* to link */
	struct scrape *scrape;		/* … of a folder, with --listen */
	struct pods *pods;
	struct secrets *secrets;
	struct leases *leases;
	struct strmap *restored;	/* keys of objects, until synced */
	struct state *state;		/* sealed cache; NULL in a unit test */
	struct bundles *bundles;	/* NULL in a unit test */
	struct report *report;		/* core/report.h; NULL: no cluster */
	int synced;			/* all objects were read once */
	struct due pump_due;
	uint32_t fetch_timeout_ms;

	const struct projector *projector;
	void *proj;			/* the projector's; NULL none yet */
	int listed;			/* what fsproj has found is known */
	struct strmap *found;		/* path -> struct found */
	int notes_fd;			/* -1 none; see volume_notes.c */
	uint64_t notes_generation;
	off_t notes_end;		/* of the row; 0: write it anew */
	off_t notes_shorten;
	struct strmap *notes;		/* id -> what an earlier process
					 * remembered, struct json *; NULL */
	struct strmap *volumes;		/* volume id -> struct volume */
	struct strmap *projections;	/* "ns/name" -> struct projection */
	struct strmap *node_labels;	/* to char * */

	/* The wires to the other processes; nothing of them in a unit test. */
	struct chan *keeper;
	int keeper_gone, keeper_ready, refused;
	struct status_server *status;
	struct key_server *key_server;
	struct csi_driver csi[CORE_DRIVERS];
	int csi_started;
	struct loop_signal *signals[3];
};

/* core_init: everything that needs no other process. */
int core_init(struct core *c, struct run_config *cfg,
    const struct clock *clock, struct loop *loop, struct err *err);
void core_clear(struct core *c);
/* core_labels: c->node_labels, from the configuration. */
void core_labels(struct core *c);
/* core_reconfigure(c, data, len): the body of KEEPER_CONFIG: what may change
 * while we run is taken over, and what follows from it done. */
void core_reconfigure(struct core *c, const void *data, size_t len);
/* core_ready: objects read once, fsproj connected (INTERFACES.md §1). */
int core_ready(const struct core *c);
/* core_tell_keeper: a frame with one string. */
int core_tell_keeper(struct core *c, uint16_t type, const char *text,
    struct err *err);
/* core_report: an attempt of the item has ended or it cannot be tried: tell
 * the source, a folder only when its state has changed. */
void core_report(struct core *c, struct item *item);
/* The i-th line of core_degraded, NULL behind the last. */
const char *core_degraded_line(size_t i);

/* --- sync.c: from claims and changes to jobs ---------------------------- */

struct item *sync_item(struct core *c, const char *ns, const char *name);
/* sync_claim: the item, made when it is new; ${until} as claims_put. */
struct item *sync_claim(struct core *c, const char *ns, const char *name,
    const char *claim, int64_t until);
/* sync_restored: the item, which nobody claims yet; it waits for a claim as
 * long as its value may be served. */
struct item *sync_restored(struct core *c, const char *ns, const char *name);
/* sync_bundled: its value is of a bundle of this issuer, and stays without a
 * claim; NULL: no longer. */
struct bundle_issuer;
void sync_bundled(struct core *c, struct item *item,
    struct bundle_issuer *issuer);
void sync_unclaim(struct core *c, struct item *item, const char *claim);
/* sync_urgent: a pod waits for it. */
void sync_urgent(struct core *c, struct item *item);
/* sync_lease: what the API server shows of the item has changed. */
void sync_lease(struct core *c, struct item *item);
/* sync_reference: an object that is not in the catalog, by its key. */
void sync_reference(struct core *c, const char *key);
/* sync_listed: a list of objects is complete; "" of the whole cluster. */
void sync_listed(struct core *c, const char *ns);
/* sync_current: all objects and pods are known: what was restored and nobody
 * has claimed by now waits no longer than anything else. */
void sync_current(struct core *c);
/* sync_commit: take the catalog's changes; sync_synced: all was read once. */
void sync_commit(struct core *c);
void sync_synced(struct core *c);
void sync_pump(struct core *c);
/* sync_schedule: give an idle item its next time. */
void sync_schedule(struct core *c, struct item *item);
const struct entry *sync_entry(const struct core *c, const struct item *item);
/* sync_why(c, item): why there is nothing of it yet; the caller's. */
char *sync_why(const struct core *c, const struct item *item);

/* --- result.c: what a job said ------------------------------------------ */

struct store_state *store_state_get(struct core *c, const char *key);
/* A payload is the next message of ${from}, the job's. */
void result_item(struct core *c, struct item *item, struct keys_stream *from,
    const struct job_item *m);
/* The job ended without an answer for it: one back-off. */
void result_lost(struct core *c, struct item *item, const struct err *err);
/* Not its fault: again as soon as possible, no back-off. */
void result_again(struct core *c, struct item *item);
void result_stores(struct core *c, const struct job_done *done);
/* Around a job: result_stop is nonzero when the circuit of one of its stores
 * is open, result_probe makes the job the probe of those that are, and
 * result_probe_end puts back those of which the probe said nothing. */
int result_stop(const struct core *c, char *const *stores, size_t n);
void result_probe(struct core *c, char *const *stores, size_t n);
void result_probe_end(struct core *c, char *const *stores, size_t n);

/* --- fetch.c ------------------------------------------------------------ */

/* fetch_start(c, g, max): a job for the most urgent items of ${g}, at most
 * ${max}.  On failure they stay where they are. */
int fetch_start(struct core *c, struct group *g, size_t max, struct err *err);

/* --- deliver.c ---------------------------------------------------------- */

/* deliver_news: tell whoever projects ${item}. */
void deliver_news(struct core *c, struct item *item);

/* --- host.c, volume.c --------------------------------------------------- */

/* host_change: the HostProjection of that catalog key has changed, come or
 * gone; host_settle, after any number of them: who waited for a path may have
 * it now. */
void host_change(struct core *c, const char *key);
void host_settle(struct core *c);
/* hosts_selected: the Node's labels have changed. */
void hosts_selected(struct core *c);
/* fsproj is there (again): what could not be written is tried once more. */
void hosts_retry(struct core *c);
void volumes_retry(struct core *c);
/* Add the paths that they own to the set. */
void hosts_paths(const struct core *c, struct strmap *paths);
void volumes_paths(const struct core *c, struct strmap *paths);
void hosts_clear(struct core *c);
void volumes_clear(struct core *c);

/* --- volume_notes.c: volumes remembered beyond this process ------------- */

struct volume;
/* notes_open: ${fd} is taken over. */
void notes_open(struct core *c, int fd);
/* notes_restore: what fsproj has found is known. */
void notes_restore(struct core *c);
/* After the volume has come into c->volumes, or has left it. */
/* notes_published: ${v} is being attached, or is so. */
void notes_published(struct core *c, struct volume *v);
void notes_unpublished(struct core *c, const char *id);
/* notes_write: the whole row anew; 0, or -1 with errno. */
int notes_write(struct core *c);
void notes_close(struct core *c);

/* What an earlier process left behind. */
struct found {
	enum proj_place place;
	uint64_t generation;
};

/* --- csi_backend.c ------------------------------------------------------ */

void csi_wire_init(struct core *c);
/* csi_wire_listen(c, name, fd): "csi:DRIVER" or "reg:DRIVER", taken over;
 * csi_wire_start: all that there is has come.  What is still missing is asked
 * of fsproj. */
void csi_wire_listen(struct core *c, const char *name, int fd);
void csi_wire_start(struct core *c);
/* csi_wire_check: -1 and why no kubelet should send us pods. */
int csi_wire_check(const struct core *c, struct err *err);
void csi_wire_close(struct core *c);

/* --- status.c ----------------------------------------------------------- */

struct json *status_json(const struct core *c);
int status_serve(struct core *c, int fd, struct err *err);
void status_close(struct core *c);

#endif
