/*
 * `jit-helper --probe`: one JSON document for `jit doctor`, which links neither
 * TLS nor HTTP: what the configuration says or where it is wrong, whether the
 * helper's user can read key and CA, and what each broker answers.
 */
#ifndef JH_PROBE_H
#define JH_PROBE_H

/* Reads `config`, becomes the helper's user, asks every broker at once (broker_timeout at most), prints. Exit status.
 */
int jh_probe(const char *config);

#endif
