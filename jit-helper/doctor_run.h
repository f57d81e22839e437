/*
 * Starting a program for what it prints: by absolute path, with an environment
 * of our own, nothing on its standard input and no terminal, a deadline and a limit of output.
 */
#ifndef JD_RUN_H
#define JD_RUN_H

#include <stdbool.h>
#include <stddef.h>

struct jd_output {
	char *text;   /* NUL-terminated; standard output, the caller frees it */
	char *errors; /* standard error, likewise */
	int status;   /* exit status; 128 + signal */
};

/* 0; -ENOENT: no such program; -ETIMEDOUT and -EFBIG: it was killed; -errno. `argv[0]` is the path. */
int jd_run(const char *const *argv, int timeout_ms, struct jd_output *ret);
/* What such a failure means, to go into a sentence. */
const char *jd_run_trouble(int error);
void jd_output_clear(struct jd_output *output);

#endif
