"""What each option of curl is to somebody who wants the request only, as of curl 8."""

from __future__ import annotations

SHORT = {
    "0": "http1.0", "1": "tlsv1", "2": "sslv2", "3": "sslv3", "4": "ipv4", "6": "ipv6", "#": "progress-bar",
    ":": "next", "A": "user-agent", "B": "use-ascii", "C": "continue-at", "D": "dump-header", "E": "cert",
    "F": "form", "G": "get", "H": "header", "I": "head", "J": "remote-header-name", "K": "config", "L": "location",
    "M": "manual", "N": "no-buffer", "O": "remote-name", "P": "ftp-port", "Q": "quote", "R": "remote-time",
    "S": "show-error", "T": "upload-file", "U": "proxy-user", "V": "version", "X": "request", "Y": "speed-limit",
    "Z": "parallel", "a": "append", "b": "cookie", "c": "cookie-jar", "d": "data", "e": "referer", "f": "fail",
    "g": "globoff", "i": "include", "j": "junk-session-cookies", "k": "insecure", "l": "list-only", "m": "max-time",
    "n": "netrc", "o": "output", "p": "proxytunnel", "q": "disable", "r": "range", "s": "silent", "t": "telnet-option",
    "u": "user", "v": "verbose", "w": "write-out", "x": "proxy", "y": "speed-time", "z": "time-cond",
}  # fmt: skip

# They say how curl talks about what it does, or ask for what is so anyway.
SILENT = frozenset({
    "silent", "show-error", "verbose", "include", "show-headers", "progress-bar", "progress-meter", "compressed",
    "buffer", "fail", "fail-with-body", "fail-early", "parallel", "parallel-immediate", "styled-output", "disable",
    "keepalive", "trace-time", "trace-ids", "tcp-nodelay", "alpn", "sessionid", "basic",
    "proxy-basic",
})  # fmt: skip

# The request stays the same without them.
IGNORED_FLAGS = frozenset({
    "http1.0", "http1.1", "http2", "http2-prior-knowledge", "http3", "http3-only", "http0.9", "tlsv1", "tlsv1.0",
    "tlsv1.1", "tlsv1.2", "tlsv1.3", "sslv2", "sslv3", "ipv4", "ipv6", "remote-name", "remote-name-all",
    "remote-header-name", "remote-time", "create-dirs", "clobber", "remove-on-error", "skip-existing", "xattr",
    "retry-all-errors", "retry-connrefused", "junk-session-cookies", "tcp-fastopen", "path-as-is", "post301",
    "post302", "post303", "cert-status", "proxy-insecure", "ca-native", "tr-encoding",
    "ssl-revoke-best-effort", "ssl-no-revoke", "ssl-allow-beast", "raw", "progress", "false-start", "use-ascii",
    "suppress-connect-headers", "proxytunnel", "ignore-content-length", "npn",
})  # fmt: skip

IGNORED_VALUES = frozenset({
    "output", "output-dir", "cookie-jar", "dump-header", "write-out", "stderr", "trace", "trace-ascii",
    "trace-config", "retry", "retry-delay", "retry-max-time", "limit-rate", "speed-limit", "speed-time",
    "max-filesize", "max-redirs", "rate", "parallel-max", "keepalive-time", "keepalive-cnt", "expect100-timeout",
    "happy-eyeballs-timeout-ms", "tls-max", "ciphers", "tls13-ciphers", "curves", "create-file-mode", "local-port",
    "libcurl", "alt-svc", "hsts", "etag-save", "noproxy", "dns-interface", "ip-tos", "vlan-priority", "proto",
    "proto-redir", "proto-default", "dns-servers", "sigalgs", "ech", "upload-flags", "follow-method",
})  # fmt: skip

WITH_VALUE = IGNORED_VALUES | frozenset({
    "url", "request", "header", "user-agent", "referer", "oauth2-bearer", "range", "user", "cookie", "proxy",
    "proxy-user", "connect-timeout", "max-time", "data", "data-ascii", "data-binary", "data-raw", "data-urlencode",
    "url-query", "json",
    # what cannot be taken and changes the request or where it goes
    "form", "form-string", "upload-file", "continue-at", "time-cond", "etag-compare", "config", "netrc-file",
    "cert", "cert-type", "key", "key-type", "pass", "cacert", "capath", "pinnedpubkey", "crlfile", "engine",
    "resolve", "connect-to", "unix-socket", "abstract-unix-socket", "interface", "preproxy", "socks4", "socks4a",
    "socks5", "socks5-hostname", "proxy1.0", "proxy-header", "proxy-cert", "proxy-key", "proxy-cacert",
    "proxy-capath", "proxy-pass", "doh-url", "aws-sigv4", "delegation", "krb", "service-name", "request-target",
    "variable", "expand-url", "expand-data", "expand-header", "ftp-port", "quote", "telnet-option", "mail-from",
    "mail-rcpt", "mail-auth", "login-options", "sasl-authzid", "haproxy-clientip", "tlsuser", "tlspassword",
    "tlsauthtype", "random-file", "egd-file", "pubkey", "hostpubmd5", "hostpubsha256", "ftp-account",
    "socks5-gssapi-service",
})  # fmt: skip

KNOWN_FLAGS = SILENT | IGNORED_FLAGS | frozenset({
    "head", "get", "location", "location-trusted", "insecure", "globoff", "next", "netrc", "netrc-optional", "digest",
    "ntlm", "negotiate", "anyauth", "proxy-digest", "proxy-ntlm", "proxy-negotiate", "proxy-anyauth",
    "append", "list-only", "manual", "version", "help", "crlf", "haproxy-protocol", "doh-insecure", "form-escape",
    "disallow-username-in-url",
})  # fmt: skip
