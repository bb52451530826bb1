/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

static char dir[] = "/tmp/nodeseal-file-test-XXXXXX";

static int
setup(void **state)
{
	(void)state;
	return (mkdtemp(dir) ? 0 : -1);
}

static int
teardown(void **state)
{
	static const char *const made[] = { "/p/q/r", "/p/q", "/p", "/file",
		"" };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(made); i++) {
		cleanup_free char *path = str_fmt("%s%s", dir, made[i]);

		if (remove(path) == -1)
			return (-1);
	}
	return (0);
}

static void
test_read_and_write(void **state)
{
	cleanup_free char *path = str_fmt("%s/file", dir);
	cleanup_buf struct buf out = BUF_PLAIN(100000);
	cleanup_buf struct buf exact = BUF_PLAIN(60000);
	cleanup_buf struct buf small = BUF_SECRET(59999);
	cleanup_err struct err err = ERR_INIT;
	cleanup_close int fd = -1;
	static char bytes[60000];

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(file_write_all(fd, bytes, sizeof(bytes), &err), 0);
	buf_adds(&out, "before");
	assert_int_equal(file_read(path, &out, &err), 0);
	assert_int_equal(out.len, sizeof(bytes) + 6);
	assert_memory_equal(out.data + 6, bytes, sizeof(bytes));
	assert_int_equal(file_read(path, &exact, &err), 0);
	assert_int_equal(exact.len, sizeof(bytes));
	assert_int_equal(file_read(path, &small, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_non_null(strstr(err_msg(&err), "/file: input is larger than "
	    "59999 bytes"));
	buf_clear(&out);
	assert_int_equal(file_read("/nonexistent", &out, &err), -1);
	assert_int_equal(err.kind, ERR_NOTFOUND);
	assert_int_equal(file_read(dir, &out, &err), -1);
	assert_int_equal(err.sys, EISDIR);
	assert_int_equal(file_write_all(-1, "x", 1, &err), -1);
	assert_int_equal(err.sys, EBADF);
}

static void
test_mkdirs(void **state)
{
	cleanup_free char *path = str_fmt("%s/p/q/r", dir);
	cleanup_free char *below = str_fmt("%s/file/x", dir);
	cleanup_free char *file = str_fmt("%s/file", dir);
	cleanup_err struct err err = ERR_INIT;
	struct stat st;

	(void)state;
	assert_int_equal(file_mkdirs(path, 0700, &err), 0);
	assert_int_equal(file_mkdirs(path, 0700, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(file_mkdirs("/", 0700, &err), 0);
	assert_int_equal(file_mkdirs(below, 0700, &err), -1);
	assert_int_equal(err.sys, ENOTDIR);
	assert_int_equal(file_mkdirs(file, 0700, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
}

/* What one call writes to standard error. */
static void
capture(struct buf *out, enum log_level level, const char *msg)
{
	int saved = dup(STDERR_FILENO), p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	dup2(p[1], STDERR_FILENO);
	log_write(level, "%s", msg);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(p[1]);
	assert_int_equal(file_read_fd(p[0], out, NULL), 0);
	close(p[0]);
}

static void
test_log_text(void **state)
{
	cleanup_buf struct buf out = BUF_PLAIN(100000);
	static char longer[9000];

	(void)state;
	log_init("core", LOG_LEVEL_INFO, LOG_TEXT);
	capture(&out, LOG_LEVEL_DEBUG, "quiet");
	assert_int_equal(out.len, 0);
	capture(&out, LOG_LEVEL_WARN, "a\nb\x1b[31m\xff\xc2\x9b\xe2\x80\xae"
	    "\xc3\xa9");
	assert_string_equal(out.data + 20, " warn  core: a\\nb\\x1b[31m\\xff"
	    "\\u009b\\u202e\xc3\xa9\n");
	assert_int_equal(out.data[19], 'Z');
	memset(longer, '\x01', sizeof(longer) - 1);
	buf_clear(&out);
	capture(&out, LOG_LEVEL_ERROR, longer);
	assert_true(out.len <= 4096 && out.len > 4000);
	assert_string_equal(out.data + out.len - 4, "...\n");
}

static void
test_log_json(void **state)
{
	cleanup_buf struct buf out = BUF_PLAIN(100000);
	cleanup_json struct json *j = NULL, *k = NULL;
	static char longer[9000];

	(void)state;
	log_init("job", LOG_LEVEL_DEBUG, LOG_JSON);
	capture(&out, LOG_LEVEL_DEBUG, "a\n\"b\"");
	assert_int_equal(out.data[out.len - 1], '\n');
	assert_null(memchr(out.data, '\n', out.len - 1));
	j = json_parse(out.data, out.len, NULL);
	assert_string_equal(json_str(json_get(j, "msg")), "a\n\"b\"");
	assert_string_equal(json_str(json_get(j, "level")), "debug");
	assert_string_equal(json_str(json_get(j, "process")), "job");
	memset(longer, '\x01', sizeof(longer) - 1);
	buf_clear(&out);
	capture(&out, LOG_LEVEL_ERROR, longer);
	assert_true(out.len <= 4096 && out.len > 3000);
	k = json_parse(out.data, out.len, NULL);
	assert_non_null(k);
	log_init("test", LOG_LEVEL_INFO, LOG_TEXT);
}

static void
test_log_words(void **state)
{
	enum log_level level = LOG_LEVEL_ERROR;
	enum log_format format = LOG_TEXT;

	(void)state;
	assert_int_equal(log_parse_level("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_parse_level("Debug", &level), -1);
	assert_int_equal(log_parse_level("", &level), -1);
	assert_int_equal(log_parse_format("json", &format), 0);
	assert_int_equal(format, LOG_JSON);
	assert_int_equal(log_parse_format("text", &format), 0);
	assert_int_equal(format, LOG_TEXT);
	assert_int_equal(log_parse_format("xml", &format), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_and_write),
		cmocka_unit_test(test_mkdirs),
		cmocka_unit_test(test_log_text),
		cmocka_unit_test(test_log_json),
		cmocka_unit_test(test_log_words),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
