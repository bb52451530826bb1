/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/pods.h"

struct pod {
	struct link_pod m;
	struct strmap *claims;	/* item keys; the value: it is counted among
				 * those that wait */
	int seen;		/* in the list that is coming in */
};

struct pods {
	struct core *core;
	struct strmap *pods;	/* uid -> struct pod */
	struct strmap *users;	/* "ns/secret" -> set of uids */
	struct strmap *makers;	/* "ns/secret" -> set of item keys */
	struct strmap *targets;	/* item key -> "ns/secret" */
};

/* --- sets by name --------------------------------------------------------- */

static void
set_free(void *p)
{
	strmap_free(p);
}

static void
set_add(struct strmap *sets, const char *key, const char *member)
{
	struct strmap *set = strmap_get(sets, key);

	if (!set) {
		set = strmap_new(NULL);
		strmap_put(sets, key, set);
	}
	strmap_put(set, member, NULL);
}

static void
set_del(struct strmap *sets, const char *key, const char *member)
{
	struct strmap *set = strmap_get(sets, key);

	if (!set)
		return;
	strmap_del(set, member);
	if (strmap_len(set) == 0)
		strmap_del(sets, key);
}

/* --- what a pod claims ---------------------------------------------------- */

static char counted[] = "waits";

static void
count(struct pods *p, struct pod *pod, const char *key, int on)
{
	struct item *item = strmap_get(p->core->items, key);

	if (!item || (strmap_get(pod->claims, key) != NULL) == on)
		return;
	strmap_put(pod->claims, key, on ? counted : NULL);
	if (on && !item->waiting)
		item->waits_since = schedule_now(p->core->schedule);
	item->waiting += on ? 1 : -1u;
	if (on)
		sync_urgent(p->core, item);
}

/* A pod of the same name that came in its place has the same claim. */
static int
has_namesake(const struct pods *p, const struct pod *pod, const char *key)
{
	const struct pod *other;
	size_t i;

	for (i = strmap_next(p->pods, 0); i; i = strmap_next(p->pods, i)) {
		other = strmap_val(p->pods, i);
		if (other != pod && str_eq(other->m.name, pod->m.name) &&
		    str_eq(other->m.ns, pod->m.ns) &&
		    strmap_has(other->claims, key))
			return (1);
	}
	return (0);
}

static void
release(struct pods *p, struct pod *pod, const char *key)
{
	cleanup_free char *claim = str_fmt("secret:%s", pod->m.name);
	struct item *item;

	count(p, pod, key, 0);
	strmap_del(pod->claims, key);
	item = strmap_get(p->core->items, key);
	if (item && !has_namesake(p, pod, key))
		sync_unclaim(p->core, item, claim);
}

static void
claim(struct pods *p, struct pod *pod, const char *key)
{
	cleanup_free char *name = str_fmt("secret:%s", pod->m.name);

	if (strmap_has(pod->claims, key))
		return;
	strmap_put(pod->claims, key, NULL);
	sync_claim(p->core, pod->m.ns, strchr(key, '/') + 1, name,
	    CLAIM_FOREVER);
}

static struct strmap *
wanted(const struct pods *p, const struct pod *pod)
{
	struct strmap *want = strmap_new(NULL);
	const struct strmap *makers;
	size_t i, k;

	for (i = 0; !pod->m.over && i < pod->m.nsecrets; i++) {
		cleanup_free char *key = str_fmt("%s/%s", pod->m.ns,
		    pod->m.secrets[i]);

		makers = strmap_get(p->makers, key);
		for (k = makers ? strmap_next(makers, 0) : 0; k;
		    k = strmap_next(makers, k))
			strmap_put(want, strmap_key(makers, k), NULL);
	}
	return (want);
}

static void
settle(struct pods *p, struct pod *pod)
{
	cleanup_strmap struct strmap *want = wanted(p, pod);
	cleanup_free const char **now = NULL;
	size_t i, n;

	for (i = strmap_next(want, 0); i; i = strmap_next(want, i))
		claim(p, pod, strmap_key(want, i));
	now = strmap_sorted(pod->claims, &n);
	for (i = 0; i < n; i++) {
		cleanup_free char *key = str_dup(now[i]);

		if (strmap_has(want, key))
			count(p, pod, key, pod->m.waits);
		else
			release(p, pod, key);
	}
}

/* --- pods ----------------------------------------------------------------- */

static void
users_change(struct pods *p, const struct pod *pod, int on)
{
	size_t i;

	for (i = 0; i < pod->m.nsecrets; i++) {
		cleanup_free char *key = str_fmt("%s/%s", pod->m.ns,
		    pod->m.secrets[i]);

		if (on)
			set_add(p->users, key, pod->m.uid);
		else
			set_del(p->users, key, pod->m.uid);
	}
}

void
pods_put(struct pods *p, struct link_pod *m)
{
	struct pod *pod = strmap_get(p->pods, m->uid);

	if (!pod) {
		pod = mem_alloc(sizeof(*pod));
		pod->claims = strmap_new(NULL);
		strmap_put(p->pods, m->uid, pod);
	} else {
		users_change(p, pod, 0);
		link_pod_clear(&pod->m);
	}
	pod->m = *m;
	memset(m, 0, sizeof(*m));
	pod->seen = 1;
	users_change(p, pod, 1);
	settle(p, pod);
}

static void
pod_free(struct pod *pod)
{
	strmap_free(pod->claims);
	link_pod_clear(&pod->m);
	free(pod);
}

void
pods_gone(struct pods *p, const char *uid)
{
	struct pod *pod = strmap_get(p->pods, uid);

	if (!pod)
		return;
	users_change(p, pod, 0);
	pod->m.over = 1;
	settle(p, pod);
	strmap_take(p->pods, pod->m.uid);
	pod_free(pod);
}

void
pods_relist(struct pods *p)
{
	size_t i;

	for (i = strmap_next(p->pods, 0); i; i = strmap_next(p->pods, i))
		((struct pod *)strmap_val(p->pods, i))->seen = 0;
}

void
pods_listed(struct pods *p)
{
	cleanup_free const char **uids = NULL;
	const struct pod *pod;
	size_t i, n;

	uids = strmap_sorted(p->pods, &n);
	for (i = 0; i < n; i++) {
		pod = strmap_get(p->pods, uids[i]);
		if (!pod->seen)
			pods_gone(p, pod->m.uid);
	}
}

/* --- targets -------------------------------------------------------------- */

/* One that cannot be read is claimed by its own name, so that somebody says
 * so. */
static char *
target_of(const struct entry *e)
{
	if (!e)
		return (NULL);
	if (!e->es)
		return (str_fmt("%s/%s", e->ns, e->name));
	if (e->es->creation == ES_NONE || *e->es->manifest_kind)
		return (NULL);
	return (str_fmt("%s/%s", e->ns, e->es->target_name));
}

static void
users_settle(struct pods *p, const char *target)
{
	const struct strmap *users = strmap_get(p->users, target);
	size_t i;

	for (i = users ? strmap_next(users, 0) : 0; i;
	    i = strmap_next(users, i))
		settle(p, strmap_get(p->pods, strmap_key(users, i)));
}

void
pods_target(struct pods *p, const char *key)
{
	cleanup_free char *entry_key = str_fmt("ExternalSecret/%s", key);
	cleanup_free char *now = target_of(catalog_find(p->core->catalog,
	    entry_key));
	cleanup_free char *before = str_dup(strmap_get(p->targets, key));

	if (str_eq(now, before))
		return;
	if (before) {
		set_del(p->makers, before, key);
		strmap_del(p->targets, key);
	}
	if (now) {
		set_add(p->makers, now, key);
		strmap_put(p->targets, key, str_dup(now));
		users_settle(p, now);
	}
	if (before)
		users_settle(p, before);
}

void
pods_each_of(const struct pods *p, const char *ns, const char *target,
    void (*cb)(void *arg, const char *key), void *arg)
{
	cleanup_free char *key = str_fmt("%s/%s", ns, target);
	const struct strmap *makers = strmap_get(p->makers, key);
	size_t i;

	for (i = makers ? strmap_next(makers, 0) : 0; i;
	    i = strmap_next(makers, i))
		cb(arg, strmap_key(makers, i));
}

/* --- the rest ------------------------------------------------------------- */

const struct link_pod *
pods_of_account(const struct pods *p, const char *ns, const char *account)
{
	const struct pod *pod;
	size_t i;

	for (i = strmap_next(p->pods, 0); i; i = strmap_next(p->pods, i)) {
		pod = strmap_val(p->pods, i);
		if (!pod->m.over && str_eq(pod->m.ns, ns) &&
		    str_eq(pod->m.service_account, account))
			return (&pod->m);
	}
	return (NULL);
}

size_t
pods_len(const struct pods *p)
{
	return (strmap_len(p->pods));
}

struct pods *
pods_new(struct core *c)
{
	struct pods *p = mem_alloc(sizeof(*p));

	p->core = c;
	p->pods = strmap_new(NULL);
	p->users = strmap_new(set_free);
	p->makers = strmap_new(set_free);
	p->targets = strmap_new(free);
	return (p);
}

void
pods_free(struct pods *p)
{
	size_t i;

	if (!p)
		return;
	for (i = strmap_next(p->pods, 0); i; i = strmap_next(p->pods, i))
		pod_free(strmap_val(p->pods, i));
	strmap_free(p->pods);
	strmap_free(p->users);
	strmap_free(p->makers);
	strmap_free(p->targets);
	free(p);
}
