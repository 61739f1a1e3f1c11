"""Protocols of other servers, so that clients written for those can call Tandem: each room translates one of them.

A protocol keeps nothing of a request. It turns it into messages of protos/tandem and calls the backends through Envoy's
internal listener, as the gateway's JSON requests do.
"""
