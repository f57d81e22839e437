/* See metrics.h. */
#include "metrics.h"

#include <inttypes.h>

void jb_metrics_answered(struct jb_metrics *metrics, int status)
{
	if (status > 0 && status < JB_METRICS_STATUS_MAX)
		metrics->answers[status]++;
}

static void head(struct jit_draft *out, const char *name, const char *type, const char *help)
{
	jit_draft_printf(out, "# HELP jit_broker_%s %s\n# TYPE jit_broker_%s %s\n", name, help, name, type);
}

static void one(struct jit_draft *out, const char *name, const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	jit_draft_printf(out, "jit_broker_%s %" PRIu64 "\n", name, value);
}

static void print_answers(const struct jb_metrics *metrics, struct jit_draft *out)
{
	head(out, "http_answers_total", "counter", "HTTP answers by status.");
	for (int i = 0; i < JB_METRICS_STATUS_MAX; i++)
		if (metrics->answers[i])
			jit_draft_printf(out, "jit_broker_http_answers_total{status=\"%d\"} %" PRIu64 "\n", i,
					 metrics->answers[i]);
}

static void print_kept_out(const struct jb_metrics *metrics, struct jit_draft *out)
{
	static const char *const kinds[JB_OUT_KINDS] = {"key", "source", "certificate", "token", "rate", "quota"};

	head(out, "calls_refused_total", "counter", "Calls refused for who made them, or for their usage plan.");
	for (int i = 0; i < JB_OUT_KINDS; i++)
		jit_draft_printf(out, "jit_broker_calls_refused_total{kind=\"%s\"} %" PRIu64 "\n", kinds[i],
				 metrics->kept_out[i]);
}

static void print_changes(const struct jb_metrics *metrics, struct jit_draft *out)
{
	head(out, "request_changes_total", "counter", "Committed changes of requests by the status they led to.");
	for (int i = JB_PENDING; i <= JB_FAILED; i++)
		jit_draft_printf(out, "jit_broker_request_changes_total{status=\"%s\"} %" PRIu64 "\n",
				 jb_status_name((enum jb_status)i), metrics->changes[i]);
}

static void print_open(const struct jb_gauges *gauges, struct jit_draft *out)
{
	head(out, "requests_open", "gauge", "Requests and grants that are open, by status.");
	for (int i = JB_PENDING; i <= JB_ACTIVE; i++)
		jit_draft_printf(out, "jit_broker_requests_open{status=\"%s\"} %zu\n",
				 jb_status_name((enum jb_status)i), gauges->open[i]);
}

static void print_issuer(const struct jb_issue_stats *stats, struct jit_draft *out)
{
	uint64_t sum = 0;

	head(out, "issue_total", "counter", "Calls to the issuer of credentials by how they went.");
	jit_draft_printf(out,
			 "jit_broker_issue_total{outcome=\"issued\"} %" PRIu64 "\n"
			 "jit_broker_issue_total{outcome=\"refused\"} %" PRIu64 "\n"
			 "jit_broker_issue_total{outcome=\"failed\"} %" PRIu64 "\n",
			 stats->issued, stats->refused, stats->failed);
	head(out, "issue_seconds", "histogram", "How long calls to the issuer took.");
	for (size_t i = 0; i < JB_ISSUE_BUCKETS; i++) {
		sum += stats->bucket[i];
		if (i < JB_ISSUE_BUCKETS - 1)
			jit_draft_printf(out, "jit_broker_issue_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
					 jb_issue_bounds[i], sum);
	}
	jit_draft_printf(out,
			 "jit_broker_issue_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n"
			 "jit_broker_issue_seconds_sum %.3f\njit_broker_issue_seconds_count %" PRIu64 "\n",
			 sum, stats->seconds, sum);
}

static void print_notifications(const struct jb_gauges *gauges, struct jit_draft *out)
{
	static const char *const kinds[JB_NOTIFY_KINDS] = {
		[JB_NOTIFY_MAIL] = "mail", [JB_NOTIFY_WEBHOOK] = "webhook", [JB_NOTIFY_WORKFLOW] = "workflow"};
	static const char *const outcomes[JB_NOTIFY_OUTCOMES] = {[JB_NOTIFY_DELIVERED] = "delivered",
								 [JB_NOTIFY_FAILED] = "failed",
								 [JB_NOTIFY_REFUSED] = "refused",
								 [JB_NOTIFY_GIVEN_UP] = "given_up"};

	head(out, "notifications_waiting", "gauge", "Notifications that have not been delivered yet.");
	for (int i = 0; i < JB_NOTIFY_KINDS; i++)
		jit_draft_printf(out, "jit_broker_notifications_waiting{kind=\"%s\"} %zu\n", kinds[i],
				 gauges->waiting[i]);
	head(out, "notifications_oldest_seconds", "gauge", "How long the oldest of these has waited.");
	for (int i = 0; i < JB_NOTIFY_KINDS; i++)
		jit_draft_printf(out, "jit_broker_notifications_oldest_seconds{kind=\"%s\"} %" PRId64 "\n", kinds[i],
				 gauges->oldest[i]);
	head(out, "notifications_total", "counter", "Notifications delivered and given up, and tries that failed.");
	for (int i = 0; i < JB_NOTIFY_KINDS; i++)
		for (int k = 0; k < JB_NOTIFY_OUTCOMES; k++)
			jit_draft_printf(out,
					 "jit_broker_notifications_total{kind=\"%s\",outcome=\"%s\"} %" PRIu64 "\n",
					 kinds[i], outcomes[k], gauges->notify.count[i][k]);
	one(out, "notification_channels_failing", "gauge", "Webhooks, mail or the workflow, whose last try failed.",
	    gauges->notify.failing);
}

void jb_metrics_print(const struct jb_metrics *metrics, const struct jb_gauges *gauges, struct jit_draft *out)
{
	head(out, "build_info", "gauge", "Which jit-broker this is.");
	jit_draft_printf(out, "jit_broker_build_info{version=\"%s\"} 1\n", JIT_VERSION);
	print_answers(metrics, out);
	print_kept_out(metrics, out);
	one(out, "requests_filed_total", "counter", "Requests filed.", metrics->filed);
	one(out, "filings_refused_total", "counter", "Filings that policy or a limit refused.", metrics->refused);
	print_changes(metrics, out);
	print_open(gauges, out);
	one(out, "connections", "gauge", "Open connections.", gauges->connections);
	one(out, "waiters", "gauge", "Calls of hosts whose answer waits for a change.", gauges->waiters);
	print_issuer(gauges->issuer, out);
	print_notifications(gauges, out);
	one(out, "configuration_refused", "gauge",
	    "1: the configuration that was read last has errors, and the one before it counts.", metrics->conf_refused);
	one(out, "store_errors_total", "counter", "Writes that the store did not take.", gauges->store_errors);
	one(out, "audit_records", "gauge", "Records of the audit chain: the number of the last.",
	    (uint64_t)gauges->audit_records);
}
