/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor under a first sync: a bare HTTP client that reads the same keys one
 * after another on one connection and keeps nothing.
 *
 * usage: floor_reads URL-PREFIX TOKEN N
 *	GET URL-PREFIX0 … URL-PREFIX(N-1) with X-Vault-Token; prints the
 *	milliseconds of all; fails when any answer is not 200.
 */
#include <curl/curl.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static size_t
drop(char *data, size_t size, size_t n, void *arg)
{
	(void)data;
	(void)arg;
	return (size * n);
}

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6);
}

int
main(int argc, char **argv)
{
	struct curl_slist *headers;
	char url[1024], token[256];
	double start;
	long status = 0;
	CURL *c;

	if (argc != 4 || (c = curl_easy_init()) == NULL)
		return (2);
	snprintf(token, sizeof(token), "X-Vault-Token: %s", argv[2]);
	headers = curl_slist_append(NULL, token);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop);
	start = now_ms();
	for (int i = 0; i < atoi(argv[3]); i++) {
		snprintf(url, sizeof(url), "%s%d", argv[1], i);
		curl_easy_setopt(c, CURLOPT_URL, url);
		if (curl_easy_perform(c) != CURLE_OK)
			return (1);
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
		if (status != 200)
			return (1);
	}
	printf("%.3f\n", now_ms() - start);
	curl_slist_free_all(headers);
	curl_easy_cleanup(c);
	return (0);
}
