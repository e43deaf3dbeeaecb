"""The transport `fast` over libcurl, and the choice between it and http. Imports http, net and model."""
