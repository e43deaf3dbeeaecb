"""One fetch from request to result: hops, redirects, retries, decoding, pace. Imports bodies, cookies, files, model."""
