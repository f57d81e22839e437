/*
 * jit, the user's command: what this login session holds (status), giving it
 * back (end), and credentials for AWS tools (credentials, as credential_process).
 * SDKs start it for every call: few libraries, no locale, one round trip.
 */
#ifndef JIT_COMMAND_H
#define JIT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "proto.h"

/*
 * The session token from the session keyring; only a key that root made counts.
 * 0; -ENOKEY: this process possesses none; -EKEYEXPIRED: the elevation's time
 * was over; -errno where keyrings are not to be had. The caller wipes it.
 */
int jit_session_token(uint8_t token[static JIT_TOKEN_LEN]);

/* Sends the frame to jit-helper and puts its answer in the frame's place. An exit status, a sentence told on stderr. */
enum jit_exit jit_call(const char *socket_path, struct jit_frame *frame);

/* Prints a status document for people. */
enum jit_exit jit_print_status(const char *json, size_t len);
/* Prints what END ended. */
enum jit_exit jit_print_ended(const char *json, size_t len);

#endif
