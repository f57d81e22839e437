/*
 * The elevation that open_session began: its connection, which the helper
 * watches, and its key. Kept with the PAM handle between open and close.
 */
#ifndef PJ_ELEVATION_H
#define PJ_ELEVATION_H

#include <security/pam_modules.h>
#include <stdbool.h>
#include <stdint.h>

/* Keeps fd and key (0: none) with the handle, which then owns both. 0 or -errno: then they are still the caller's. */
int pj_elevation_keep(pam_handle_t *pamh, int fd, int32_t key);

/* Sends CLOSE, closes, takes the key away. False where nothing was kept. */
bool pj_elevation_end(pam_handle_t *pamh);

#endif
