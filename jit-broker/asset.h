/*
 * The page's own style, script and sign, built into the program. Each is served
 * under a name that holds its hash, so that a browser may keep it for ever and a
 * new version is never mixed with an old one.
 */
#ifndef JB_ASSET_H
#define JB_ASSET_H

#include <stddef.h>

struct jb_asset {
	const char *path; /* "/asset/1f0c….css" */
	const char *type;
	const char *text;
	size_t len;
};

enum jb_asset_name { JB_ASSET_STYLE, JB_ASSET_SCRIPT, JB_ASSET_SIGN, JB_ASSETS };

/* NULL where no hash can be made. */
const struct jb_asset *jb_asset(enum jb_asset_name name);
/* The one under that path; NULL when there is none. */
const struct jb_asset *jb_asset_find(const char *path);

#endif
