"""Tests over real sockets: what a transport must do whatever a server does."""
