/* What is counted, and its text for Prometheus (exposition format 0.0.4). */
#ifndef JB_METRICS_H
#define JB_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "draft.h"
#include "issuer_watch.h"
#include "notify.h"
#include "request.h"

#define JB_METRICS_STATUS_MAX 600

/* Calls of hosts that were refused before anything was done, and of persons likewise. */
enum jb_kept_out {
	JB_OUT_KEY,	    /* no key, or one that is not known */
	JB_OUT_SOURCE,	    /* from an address that [host NAME] does not name */
	JB_OUT_CERTIFICATE, /* without the certificate that [host NAME] wants */
	JB_OUT_TOKEN,	    /* no token, or one that is not known */
	JB_OUT_RATE,	    /* faster than the usage plan: Too Many Requests */
	JB_OUT_QUOTA,	    /* more than its quota: Limit Exceeded */
	JB_OUT_KINDS,
};

/* Counted as it happens. */
struct jb_metrics {
	uint64_t answers[JB_METRICS_STATUS_MAX]; /* by HTTP status */
	uint64_t changes[JB_FAILED + 1];	 /* transitions of requests, by the status that they led to */
	uint64_t kept_out[JB_OUT_KINDS];
	uint64_t filed;
	uint64_t refused;  /* filings that the policy, or a limit, refused */
	bool conf_refused; /* the file that was read last has errors, and the one before it counts */
};

/* Read when somebody asks. */
struct jb_gauges {
	unsigned connections, waiters;
	size_t open[JB_ACTIVE + 1]; /* requests, by status */
	int64_t audit_records;
	uint64_t store_errors;
	const struct jb_issue_stats *issuer;
	struct jb_notify_stats notify;
	size_t waiting[JB_NOTIFY_KINDS]; /* messages in the outbox */
	int64_t oldest[JB_NOTIFY_KINDS]; /* how long the oldest of them has waited, seconds; 0: none waits */
};

void jb_metrics_answered(struct jb_metrics *metrics, int status);
void jb_metrics_print(const struct jb_metrics *metrics, const struct jb_gauges *gauges, struct jit_draft *out);

#endif
