/* See asset.h. */
#include "asset.h"

#include <stdio.h>
#include <string.h>

#include "embed.h"
#include "secret.h"

JB_EMBED(jb_asset_style, "jit-broker/page/page.css");
JB_EMBED(jb_asset_script, "jit-broker/page/page.js");
JB_EMBED(jb_asset_sign, "jit-broker/page/page.svg");

#define PATH_SIZE 40

static const struct jb_asset *assets(void)
{
	static char paths[JB_ASSETS][PATH_SIZE];
	static struct jb_asset all[JB_ASSETS];
	const struct {
		const char *text, *end, *type, *suffix;
	} files[JB_ASSETS] = {
		[JB_ASSET_STYLE] = {jb_asset_style, jb_asset_style_end, "text/css; charset=utf-8", "css"},
		[JB_ASSET_SCRIPT] = {jb_asset_script, jb_asset_script_end, "text/javascript; charset=utf-8", "js"},
		[JB_ASSET_SIGN] = {jb_asset_sign, jb_asset_sign_end, "image/svg+xml", "svg"},
	};

	for (size_t i = 0; i < JB_ASSETS && !all[i].path; i++) {
		const size_t len = jb_embed_size(files[i].text, files[i].end);
		char hash[JB_HASH_SIZE];

		if (jb_sha256_hex(files[i].text, len, hash) < 0)
			return NULL;
		snprintf(paths[i], PATH_SIZE, "/asset/%.16s.%s", hash, files[i].suffix);
		all[i] = (struct jb_asset){paths[i], files[i].type, files[i].text, len};
	}
	return all;
}

const struct jb_asset *jb_asset(enum jb_asset_name name)
{
	const struct jb_asset *all = assets();

	return all ? &all[name] : NULL;
}

const struct jb_asset *jb_asset_find(const char *path)
{
	const struct jb_asset *all = assets();

	for (size_t i = 0; all && i < JB_ASSETS; i++)
		if (strcmp(all[i].path, path) == 0)
			return &all[i];
	return NULL;
}
