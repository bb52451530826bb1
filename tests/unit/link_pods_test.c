/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ipc/link.h"
#include "link/link.h"

static void
read_text(const char *text, struct link_pod *ret)
{
	cleanup_json struct json *o = json_parse(text, strlen(text), NULL);

	assert_non_null(o);
	pod_read(o, ret);
}

/* The names of the Secrets, with spaces. */
static char *
names(const struct link_pod *p)
{
	struct buf b = BUF_PLAIN(65536);

	for (size_t i = 0; i < p->nsecrets; i++)
		buf_addf(&b, "%s%s", i > 0 ? " " : "", p->secrets[i]);
	return (b.len > 0 ? buf_take(&b) : str_dup(""));
}

/* Every place of core/v1's PodSpec that names a Secret. */
static void
test_secrets(void **state)
{
	static const struct {
		const char *spec, *want;
	} rows[] = {
		{ "{}", "" },
		{ "{\"imagePullSecrets\":[{\"name\":\"b\"},{\"name\":\"a\"},"
		    "{}]}", "a b" },
		{ "{\"containers\":[{\"env\":[{\"name\":\"X\","
		    "\"value\":\"v\"},"
		    "{\"valueFrom\":{\"secretKeyRef\":{\"name\":\"e\"}}},"
		    "{\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"no\"}}}],"
		    "\"envFrom\":[{\"secretRef\":{\"name\":\"f\"}},"
		    "{\"configMapRef\":{\"name\":\"no\"}}]}]}", "e f" },
		{ "{\"initContainers\":[{\"envFrom\":[{\"secretRef\":{\"name\":"
		    "\"i\"}}]}],\"ephemeralContainers\":[{\"env\":[{\"valueFrom"
		    "\":{\"secretKeyRef\":{\"name\":\"e\"}}}]}]}", "e i" },
		{ "{\"volumes\":[{\"name\":\"v\",\"secret\":{\"secretName\":"
		    "\"s\"}},{\"name\":\"w\",\"configMap\":{\"name\":"
		    "\"no\"}}]}",
		    "s" },
		{ "{\"volumes\":[{\"name\":\"v\",\"projected\":{\"sources\":["
		    "{\"secret\":{\"name\":\"p\"}},{\"configMap\":{\"name\":"
		    "\"no\"}},{\"serviceAccountToken\":{}}]}}]}", "p" },
		{ "{\"volumes\":[{\"name\":\"v\",\"csi\":{\"driver\":\"x\","
		    "\"nodePublishSecretRef\":{\"name\":\"c\"}}},{\"name\":"
		    "\"w\",\"azureFile\":{\"secretName\":\"az\"}},{"
		    "\"name\":\"u\","
		    "\"cephfs\":{\"secretRef\":{\"name\":\"ce\"}}}]}",
		    "az c ce" },
		/* Twice is once. */
		{ "{\"imagePullSecrets\":[{\"name\":\"a\"}],\"volumes\":[{"
		    "\"name\":\"v\",\"secret\":{\"secretName\":\"a\"}}]}",
		    "a" },
		/* What is not of its type says nothing. */
		{ "{\"containers\":{\"env\":7},\"volumes\":\"no\","
		    "\"imagePullSecrets\":[7,null,{\"name\":[]}]}", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_free char *text = str_fmt("{\"metadata\":{\"name\":"
		    "\"n\"},\"spec\":%s}", rows[i].spec);
		cleanup_free char *found = NULL;
		struct link_pod p;

		read_text(text, &p);
		found = names(&p);
		assert_string_equal(found, rows[i].want);
		assert_int_equal(p.nvolumes, 0);
		link_pod_clear(&p);
	}
}

static void
test_volumes(void **state)
{
	struct link_pod p;

	(void)state;
	read_text("{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\","
	    "\"uid\":\"u\"},\"spec\":{\"serviceAccountName\":\"sa\","
	    "\"volumes\":[{\"name\":\"a\",\"csi\":{\"driver\":"
	    "\"csi.nodeseal.dev\",\"volumeAttributes\":{\"externalSecret\":"
	    "\"db,tls\"}}},{\"name\":\"b\",\"csi\":{\"driver\":"
	    "\"identity.csi.nodeseal.dev\"}},{\"name\":\"c\",\"csi\":{"
	    "\"driver\":\"secrets-store.csi.k8s.io\"}},{\"name\":\"d\","
	    "\"csi\":{\"driver\":\".nodeseal.dev\"}}]}}", &p);
	assert_string_equal(p.ns, "shop");
	assert_string_equal(p.uid, "u");
	assert_string_equal(p.service_account, "sa");
	assert_int_equal(p.nvolumes, 2);
	assert_string_equal(p.volumes[0].volume, "a");
	assert_string_equal(p.volumes[0].external_secrets, "db,tls");
	assert_string_equal(p.volumes[1].driver, "identity.csi.nodeseal.dev");
	assert_string_equal(p.volumes[1].external_secrets, "");
	link_pod_clear(&p);
}

static void
test_phases(void **state)
{
	static const struct {
		const char *status;
		int waits, over;
	} rows[] = {
		{ "{}", 1, 0 },
		{ "{\"phase\":\"Pending\"}", 1, 0 },
		{ "{\"phase\":\"Running\"}", 0, 0 },
		{ "{\"phase\":\"Unknown\"}", 0, 0 },
		{ "{\"phase\":\"Succeeded\"}", 0, 1 },
		{ "{\"phase\":\"Failed\"}", 0, 1 },
		{ "{\"phase\":\"Running\",\"containerStatuses\":[{\"state\":{"
		    "\"running\":{}}},{\"state\":{\"waiting\":{\"reason\":"
		    "\"CreateContainerConfigError\"}}}]}", 1, 0 },
		{ "{\"phase\":\"Running\",\"containerStatuses\":[{\"state\":{"
		    "\"waiting\":{\"reason\":\"CrashLoopBackOff\"}}}]}", 0, 0 },
		{ "{\"phase\":\"Running\",\"ephemeralContainerStatuses\":[{"
		    "\"state\":{\"waiting\":{\"reason\":"
		    "\"CreateContainerConfigError\"}}}]}", 1, 0 },
		{ "{\"phase\":\"Failed\",\"containerStatuses\":[{\"state\":{"
		    "\"waiting\":{\"reason\":\"CreateContainerConfigError\"}}}]"
		    "}", 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_free char *text = str_fmt("{\"metadata\":{\"name\":"
		    "\"n\"},\"status\":%s}", rows[i].status);
		struct link_pod p;

		read_text(text, &p);
		assert_int_equal(p.waits, rows[i].waits);
		assert_int_equal(p.over, rows[i].over);
		link_pod_clear(&p);
	}
}

/* More than a frame takes: what is left out is no frame that core refuses. */
static void
test_many(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(8u << 20), body =
	    BUF_PLAIN(LINK_FRAME_MAX);
	struct link_pod p, q;
	struct frame f;

	(void)state;
	buf_adds(&b, "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"volumes\":[");
	for (int i = 0; i < 10000; i++)
		buf_addf(&b, "%s{\"name\":\"v%d\",\"secret\":{\"secretName\":"
		    "\"s%d\"},\"csi\":{\"driver\":\"csi.nodeseal.dev\"}}",
		    i > 0 ? "," : "", i, i);
	buf_adds(&b, "]}}");
	read_text(buf_str(&b), &p);
	assert_int_equal(p.nsecrets, LINK_SECRETS_MAX);
	assert_int_equal(p.nvolumes, LINK_VOLUMES_MAX);
	link_pod_write(&p, &body);
	frame_init(&f, LINK_FRAME_MAX);
	f.type = LINK_POD;
	buf_add(&f.body, body.data, body.len);
	assert_int_equal(link_pod_read(&q, &f, NULL), 0);
	assert_int_equal(q.nsecrets, LINK_SECRETS_MAX);
	frame_clear(&f);
	link_pod_clear(&p);
	link_pod_clear(&q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_volumes),
		cmocka_unit_test(test_phases),
		cmocka_unit_test(test_many),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
