/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over the files of its corpus without the fuzzer: each one
 * twice, to catch state that the first run left behind, and once more cut in
 * half.  usage: NAME_fuzz FOLDER
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *
slurp(const char *path, size_t *ret_size)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	long size;

	if (f == NULL)
		return (NULL);
	if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 &&
	    fseek(f, 0, SEEK_SET) == 0) {
		*ret_size = (size_t)size;
		/* Exactly as large as the input: a sanitizer sees the end. */
		data = malloc(*ret_size > 0 ? *ret_size : 1);
		if (data != NULL &&
		    fread(data, 1, *ret_size, f) != *ret_size) {
			free(data);
			data = NULL;
		}
	}
	fclose(f);
	return (data);
}

int
main(int argc, char **argv)
{
	char path[4096];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	if (argc != 2 || (d = opendir(argv[1])) == NULL) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return (2);
	}
	while ((e = readdir(d)) != NULL) {
		uint8_t *data;
		size_t size = 0;

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], e->d_name);
		if ((data = slurp(path, &size)) == NULL) {
			perror(path);
			return (1);
		}
		LLVMFuzzerTestOneInput(data, size);
		LLVMFuzzerTestOneInput(data, size);
		free(data);
		if ((data = slurp(path, &size)) != NULL)
			LLVMFuzzerTestOneInput(data, size / 2);
		free(data);
		n++;
	}
	closedir(d);
	printf("%u inputs\n", n);
	return (n == 0);
}
