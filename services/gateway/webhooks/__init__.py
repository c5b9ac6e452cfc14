"""Telling a department's systems what happens at its node, by signed posts (Standard Webhooks, CloudEvents)."""
