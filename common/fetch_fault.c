/* See fetch_fault.h. */
#include "fetch_fault.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum jit_fetch_fault jit_fetch_fault_of(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return JIT_FETCH_OK;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return JIT_FETCH_DNS;
	case CURLE_COULDNT_CONNECT:
		return JIT_FETCH_CONNECT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_ENGINE_INITFAILED:
	case CURLE_USE_SSL_FAILED:
		return JIT_FETCH_TLS;
	case CURLE_OPERATION_TIMEDOUT:
		return JIT_FETCH_TIMEOUT;
	case CURLE_OUT_OF_MEMORY:
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_FAILED_INIT:
	case CURLE_UNKNOWN_OPTION:
	case CURLE_BAD_FUNCTION_ARGUMENT:
		return JIT_FETCH_LOCAL;
	default:
		return JIT_FETCH_BROKEN;
	}
}

/* "OpenSSL SSL_read: error:0A000415:SSL routines::sslv3 alert certificate expired, errno 0" */
bool jit_fetch_alert(CURLcode code, char *detail, size_t size)
{
	static const char word[] = " alert ";
	const char *alert = code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ? strstr(detail, word) : NULL;
	char name[64];

	if (!alert)
		return false;
	alert += sizeof(word) - 1;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(alert, ",") < 60 ? (int)strcspn(alert, ",") : 60, alert);
	snprintf(detail, size, "it ended TLS with the alert: %s", name);
	return true;
}

/* libcurl does not say why there was not even a socket, nor a file of names to look into. */
static const char *unless_crowded(const char *why)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		return "this process has no descriptor left";
	if (fd >= 0)
		close(fd);
	return why;
}

const char *jit_fetch_why(enum jit_fetch_fault fault, CURLcode code, CURL *easy, const char *detail)
{
	long os_errno = 0;

	switch (fault) {
	case JIT_FETCH_OK:
		return "";
	case JIT_FETCH_DNS:
		return unless_crowded("its name cannot be resolved");
	case JIT_FETCH_CONNECT:
		curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_errno);
		return os_errno == ECONNREFUSED ? "connection refused"
		       : os_errno == EACCES	? "this process may not connect to that port (its sandbox, or SELinux)"
						: unless_crowded("it cannot be reached");
	case JIT_FETCH_TIMEOUT:
		return "it did not answer in time";
	case JIT_FETCH_TOO_LARGE:
		return "its answer is too large";
	case JIT_FETCH_BROKEN:
		return "the connection broke off before a whole HTTP answer came";
	case JIT_FETCH_TLS:
		if (code == CURLE_SSL_CACERT_BADFILE)
			return "the CA file that is to vouch for it cannot be read or holds no certificate";
		/* fall through */
	default:
		if (code == CURLE_UNSUPPORTED_PROTOCOL)
			return "its URL does not begin with https:// (http:// is for this machine alone)";
		return detail[0] ? detail : curl_easy_strerror(code);
	}
}

bool jit_fetch_silent(enum jit_fetch_fault fault, CURLcode code, long status)
{
	if (status > 0 && status < 500) /* a refusal whose body stalls is still a refusal */
		return false;
	switch (fault) {
	case JIT_FETCH_DNS:
	case JIT_FETCH_CONNECT:
	case JIT_FETCH_TLS:
	case JIT_FETCH_TIMEOUT:
		return true;
	case JIT_FETCH_BROKEN:
		return code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR;
	default:
		return false;
	}
}
