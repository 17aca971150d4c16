"""Telling somebody: a notice is a few sentences, sent by log, webhook or e-mail.

What may live here: ways to send a notice. What is worth one is decided elsewhere.
"""
