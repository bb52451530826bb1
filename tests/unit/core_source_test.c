/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/inotify.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>

#include "core_fake.h"

#include "base/file.h"
#include "core/source_dir.h"

/*
 * A real folder, real inotify; the test opens for core (as the keeper does)
 * and parses (as a read job does): each line "NAME VALUE" is a ConfigMap.
 */
#define DIR_MASK (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | \
	IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB | IN_ONLYDIR)

static char base[64], dir[80];
static char *asked[64];
static int nasked, folder_asked, changed, synced, reads, refuse;
static struct source *src;

static int
ask_folder(void *arg, struct err *err)
{
	(void)arg;
	(void)err;
	folder_asked++;
	return (0);
}

static int
ask_file(void *arg, const char *name, struct err *err)
{
	(void)arg;
	(void)err;
	asked[nasked++] = str_dup(name);
	return (0);
}

static void
give_folder(void)
{
	struct source_folder f = { -1, -1, -1, "not there" };

	f.notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (inotify_add_watch(f.notify, dir, DIR_MASK) == -1) {
		close(fd_steal(&f.notify));
	} else {
		inotify_add_watch(f.notify, base, DIR_MASK);
		f.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	folder_asked = 0;
	source_dir_folder(src, &f);
}

static void
give_files(void)
{
	char path[256];
	int i, n = nasked, fd;

	nasked = 0;
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, asked[i]);
		fd = refuse ? -1 : open(path, O_RDONLY | O_CLOEXEC);
		source_dir_file(src, asked[i], fd,
		    fd == -1 ? "Permission denied" : "");
		free(asked[i]);
	}
}

static void
send_object(struct child *ch, char *name, const char *value)
{
	cleanup_buf struct buf box = BUF_PLAIN(65536);
	cleanup_buf struct buf b = BUF_PLAIN(65536);
	char kind[] = "ConfigMap", ns[] = "default";
	cleanup_free char *json = str_fmt("{\"apiVersion\":\"v1\",\"kind\":"
	    "\"ConfigMap\",\"metadata\":{\"name\":\"%s\"},\"data\":{\"v\":"
	    "\"%s\"}}", name, value);
	char head[] = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"}";
	struct job_object o = { .kind = kind, .ns = ns, .name = name,
		.head = head, .rejected = none };

	child_seal(ch, json, strlen(json), &box);
	o.body = (uint8_t *)box.data;
	o.body_len = box.len;
	job_object_write(&o, &b);
	chan_send(ch->chan, JOB_OBJECT, b.data, b.len, NULL, 0, NULL);
}

static void
send_fatal(struct child *ch)
{
	cleanup_buf struct buf b = BUF_PLAIN(65536);
	char text[] = "did not find expected node content";
	struct job_finding m = { 3, 1, none, text };

	job_finding_write(&m, &b);
	chan_send(ch->chan, JOB_FINDING, b.data, b.len, NULL, 0, NULL);
}

static void
parse(struct child *ch, struct frame *frame)
{
	cleanup_buf struct buf text = BUF_PLAIN(65536);
	struct job_read m;
	char name[64], value[64];
	const char *at;
	int n;

	reads++;
	assert_int_equal(job_read_read(&m, frame, NULL), 0);
	memcpy(ch->core_key, m.core_key, BOX_KEY_LEN);
	assert_int_equal(file_read_fd(frame->fds[0], &text, NULL), 0);
	for (at = buf_str(&text); sscanf(at, "%63s %63s%n", name, value,
	    &n) == 2; at += n) {
		if (strcmp(name, "die") == 0) {
			child_dies(ch);
			job_read_clear(&m);
			return;
		}
		if (strcmp(name, "broken") == 0)
			send_fatal(ch);
		else
			send_object(ch, name, value);
	}
	job_read_clear(&m);
	chan_send(ch->chan, JOB_DONE, "\0\0\0\0", 4, NULL, 0, NULL);
}

static void
on_changed(void *arg)
{
	struct fake *f = arg;

	changed++;
	strmap_free(catalog_take_changes(f->c.catalog));
}

static void
on_synced(void *arg)
{
	(void)arg;
	synced++;
}

static void
on_room(void *arg)
{
	struct fake *f = arg;

	src->ops->pump(src);
	(void)f;
}

/* Real events need real time; the bursts' time is by hand. */
static void
settle(struct fake *f)
{
	int i;

	for (i = 0; i < 12; i++) {
		f->clock.boot += 60;
		if (folder_asked)
			give_folder();
		give_files();
		schedule_run(f->c.schedule);
		loop_timer_start(f->stop, 3);
		loop_run(f->loop);
		src->ops->pump(src);
	}
}

static void
put(const char *name, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int
has(struct fake *f, const char *name)
{
	return (catalog_get(f->c.catalog, "ConfigMap", "default", name) !=
	    NULL);
}

static uint64_t
generation(struct fake *f, const char *name)
{
	const struct entry *e = catalog_get(f->c.catalog, "ConfigMap",
	    "default", name);

	return (e ? e->generation : 0);
}

static size_t
problems(void)
{
	struct json *j = src->ops->problems(src);
	size_t n = json_len(j);

	json_free(j);
	return (n);
}

static int
setup(void **state)
{
	struct source_dir_config c = { .dir = dir, .ask_folder = ask_folder,
		.ask_file = ask_file };
	struct fake *f;

	if (fake_setup(state) == -1)
		return (-1);
	f = *state;
	f->read = parse;
	snprintf(base, sizeof(base), "/tmp/core_source.XXXXXX");
	assert_non_null(mkdtemp(base));
	snprintf(dir, sizeof(dir), "%s/manifests", base);
	assert_int_equal(mkdir(dir, 0700), 0);
	changed = synced = reads = refuse = nasked = folder_asked = 0;
	c.loop = f->loop;
	c.schedule = f->c.schedule;
	c.jobs = f->c.jobs;
	c.keys = f->c.keys;
	c.catalog = f->c.catalog;
	c.events = (struct source_events){ on_changed, on_synced, on_room, f };
	src = source_dir_new(&c);
	f->c.source = src;
	return (0);
}

static int
teardown(void **state)
{
	char cmd[128];
	int rc = fake_teardown(state);

	while (nasked)
		free(asked[--nasked]);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", base);
	return (rc == 0 && system(cmd) == 0 ? 0 : -1);
}

static void
test_reads_what_is_there(void **state)
{
	struct fake *f = *state;

	put("a.yaml", "one 1\ntwo 2\n");
	put("b.yml", "three 3\n");
	put("c.json", "four 4\n");
	put("d.txt", "five 5\n");
	put(".e.yaml", "six 6\n");
	settle(f);
	assert_int_equal(synced, 1);
	assert_int_equal(reads, 3);
	assert_int_equal(catalog_len(f->c.catalog), 4);
	assert_true(src->ops->whole(src));
}

static void
test_empty_folder_is_synced(void **state)
{
	settle(*state);
	assert_int_equal(synced, 1);
}

static void
test_create_modify_rename_delete(void **state)
{
	struct fake *f = *state;
	char from[256], to[256];
	uint64_t g;

	settle(f);
	put("a.yaml", "one 1\n");
	settle(f);
	assert_true(has(f, "one"));
	g = generation(f, "one");
	put("a.yaml", "one 2\nextra 1\n");
	settle(f);
	assert_true(generation(f, "one") > g);
	assert_true(has(f, "extra"));
	put("new", "one 2\nother 1\n");
	g = generation(f, "one");
	snprintf(from, sizeof(from), "%s/new", dir);
	snprintf(to, sizeof(to), "%s/a.yaml", dir);
	assert_int_equal(rename(from, to), 0);
	settle(f);
	assert_false(has(f, "extra"));
	assert_true(has(f, "other"));
	assert_int_equal(generation(f, "one"), g);
	assert_int_equal(unlink(to), 0);
	settle(f);
	assert_int_equal(catalog_len(f->c.catalog), 0);
	assert_int_equal(synced, 1);
}

/* Control: -DWEAKEN_LASTGOOD. */
static void
test_broken_file_keeps_last_good(void **state)
{
	struct fake *f = *state;

	put("a.yaml", "one 1\n");
	put("b.yaml", "two 2\n");
	settle(f);
	put("a.yaml", "other 1\nbroken x\n");
	settle(f);
	assert_true(has(f, "one"));
	assert_false(has(f, "other"));
	assert_int_equal(problems(), 1);
	assert_false(src->ops->whole(src));
	put("a.yaml", "other 1\n");
	settle(f);
	assert_false(has(f, "one"));
	assert_true(has(f, "other"));
	assert_int_equal(problems(), 0);
}

/* One commit for a burst, however many events. */
static void
test_a_burst_is_one_change(void **state)
{
	struct fake *f = *state;
	char name[32];
	int i, k;

	settle(f);
	changed = reads = 0;
	for (k = 0; k < 5; k++) {
		for (i = 0; i < 10; i++) {
			snprintf(name, sizeof(name), "f%d.yaml", i);
			put(name, k < 4 ? "x 1\n" : "y 1\n");
		}
	}
	settle(f);
	/* One of them was read at once, and once more. */
	assert_int_equal(reads, 11);
	assert_int_equal(changed, 1);
	assert_true(has(f, "y"));
	assert_false(has(f, "x"));
}

/* Everything but the time. */
static void
turn(struct fake *f)
{
	int i;

	for (i = 0; i < 6; i++) {
		give_files();
		schedule_run(f->c.schedule);
		loop_timer_start(f->stop, 3);
		loop_run(f->loop);
		src->ops->pump(src);
	}
}

/* Reading does not wait for the burst's end; what was read does. */
static void
test_a_burst_is_read_early(void **state)
{
	struct fake *f = *state;
	char path[256];
	uint64_t before;

	settle(f);
	changed = reads = 0;
	put("a.yaml", "one 1\n");
	turn(f);
	assert_int_equal(reads, 1);
	assert_false(has(f, "one"));
	f->clock.boot += 24;
	turn(f);
	assert_false(has(f, "one"));
	f->clock.boot += 1;
	turn(f);
	assert_true(has(f, "one"));
	assert_int_equal(reads, 1);
	assert_int_equal(changed, 1);
	/* Away and back with another on its way: as if nothing had been. */
	before = generation(f, "one");
	snprintf(path, sizeof(path), "%s/a.yaml", dir);
	assert_int_equal(unlink(path), 0);
	turn(f);
	put("a.yaml", "two 2\n");
	turn(f);
	put("a.yaml", "one 1\n");
	settle(f);
	assert_int_equal(generation(f, "one"), before);
	assert_false(has(f, "two"));
	assert_int_equal(unlink(path), 0);
	settle(f);
	assert_false(has(f, "one"));
}

static void
test_first_file_by_name_wins(void **state)
{
	struct fake *f = *state;
	char path[256];

	put("b.yaml", "one b\n");
	settle(f);
	put("a.yaml", "one a\n");
	settle(f);
	assert_string_equal(catalog_get(f->c.catalog, "ConfigMap", "default",
	    "one")->origin, "a.yaml");
	assert_int_equal(problems(), 1);
	snprintf(path, sizeof(path), "%s/a.yaml", dir);
	unlink(path);
	settle(f);
	assert_string_equal(catalog_get(f->c.catalog, "ConfigMap", "default",
	    "one")->origin, "b.yaml");
	assert_int_equal(problems(), 0);
}

static void
test_folder_goes_and_comes_back(void **state)
{
	struct fake *f = *state;
	char old[128];

	put("a.yaml", "one 1\n");
	put("b.yaml", "two 2\n");
	settle(f);
	snprintf(old, sizeof(old), "%s/old", base);
	assert_int_equal(rename(dir, old), 0);
	settle(f);
	assert_true(has(f, "one"));
	assert_int_equal(problems(), 1);
	assert_false(src->ops->whole(src));
	mkdir(dir, 0700);
	put("a.yaml", "one 9\n");
	f->clock.boot += 1000;
	settle(f);
	settle(f);
	assert_true(has(f, "one"));
	assert_false(has(f, "two"));
	assert_int_equal(problems(), 0);
	/* The new folder is watched, the old one is not. */
	put("c.yaml", "three 1\n");
	settle(f);
	assert_true(has(f, "three"));
}

static void
test_absent_at_the_start(void **state)
{
	struct fake *f = *state;

	rmdir(dir);
	settle(f);
	assert_int_equal(synced, 0);
	assert_int_equal(problems(), 1);
	mkdir(dir, 0700);
	put("a.yaml", "one 1\n");
	f->clock.boot += 1000;
	settle(f);
	settle(f);
	assert_int_equal(synced, 1);
	assert_true(has(f, "one"));
}

/* DIR is a symlink that is turned to another folder. */
static void
test_symlinked_folder_is_turned(void **state)
{
	struct fake *f = *state;
	char v1[128], v2[128], path[256], link_[256];

	rmdir(dir);
	snprintf(v1, sizeof(v1), "%s/v1", base);
	snprintf(v2, sizeof(v2), "%s/v2", base);
	mkdir(v1, 0700);
	mkdir(v2, 0700);
	assert_int_equal(symlink("v1", dir), 0);
	put("a.yaml", "one 1\n");
	settle(f);
	assert_true(has(f, "one"));
	snprintf(path, sizeof(path), "%s/v2/a.yaml", base);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	snprintf(link_, sizeof(link_), "%s/next", base);
	assert_int_equal(symlink("v2", link_), 0);
	assert_int_equal(rename(link_, dir), 0);
	settle(f);
	assert_false(has(f, "one"));
}

/* As the kubelet mounts a ConfigMap: all files are links below ..data. */
static void
test_config_map_swap(void **state)
{
	struct fake *f = *state;
	char path[256], next[256];

	snprintf(path, sizeof(path), "%s/..1", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/..2", dir);
	mkdir(path, 0700);
	put("..1/a.yaml", "one 1\n");
	put("..2/a.yaml", "one 2\n");
	snprintf(path, sizeof(path), "%s/..data", dir);
	assert_int_equal(symlink("..1", path), 0);
	snprintf(next, sizeof(next), "%s/a.yaml", dir);
	assert_int_equal(symlink("..data/a.yaml", next), 0);
	settle(f);
	assert_int_equal(generation(f, "one"), 1);
	snprintf(next, sizeof(next), "%s/..data_tmp", dir);
	assert_int_equal(symlink("..2", next), 0);
	assert_int_equal(rename(next, path), 0);
	settle(f);
	assert_int_equal(generation(f, "one"), 2);
}

static void
test_overflow_reads_everything(void **state)
{
	struct fake *f = *state;
	char name[256], path[256];
	int i, n;
	FILE *max = fopen("/proc/sys/fs/inotify/max_queued_events", "r");

	assert_int_equal(fscanf(max, "%d", &n), 1);
	fclose(max);
	put("z.yaml", "one 1\n");
	settle(f);
	/* More events than the queue holds, then one that gets lost. */
	snprintf(path, sizeof(path), "%s/x", dir);
	for (i = 0; i < n + 100; i++) {
		snprintf(name, sizeof(name), "%s/y%d", dir, i & 1);
		rename(i & 1 ? name : path, i & 1 ? path : name);
		close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
	put("late.yaml", "late 1\n");
	settle(f);
	settle(f);
	assert_true(has(f, "late"));
}

static void
test_file_that_cannot_be_opened(void **state)
{
	struct fake *f = *state;

	put("a.yaml", "one 1\n");
	settle(f);
	refuse = 1;
	put("a.yaml", "two 1\n");
	settle(f);
	assert_true(has(f, "one"));
	assert_int_equal(problems(), 1);
	refuse = 0;
	src->ops->reread(src);
	settle(f);
	assert_true(has(f, "two"));
	assert_int_equal(problems(), 0);
}

/* A read job that dies: the file's objects stay, another try comes. */
static void
test_read_job_dies(void **state)
{
	struct fake *f = *state;
	int before;

	put("a.yaml", "one 1\n");
	settle(f);
	put("a.yaml", "die now\n");
	settle(f);
	assert_true(has(f, "one"));
	assert_int_equal(problems(), 1);
	before = reads;
	f->clock.boot += 2000;
	settle(f);
	assert_true(reads > before);
	assert_true(has(f, "one"));
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(reads_what_is_there), T(empty_folder_is_synced),
		T(create_modify_rename_delete),
		T(broken_file_keeps_last_good), T(a_burst_is_one_change),
		T(a_burst_is_read_early),
		T(first_file_by_name_wins), T(folder_goes_and_comes_back),
		T(absent_at_the_start), T(symlinked_folder_is_turned),
		T(config_map_swap), T(overflow_reads_everything),
		T(file_that_cannot_be_opened), T(read_job_dies),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
