"""The server's own code in front of CTranslate2, to compare the two behind the same gRPC edge."""
