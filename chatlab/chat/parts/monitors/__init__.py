"""Monitors: what can one see of a running server?"""
