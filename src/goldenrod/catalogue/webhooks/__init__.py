"""Webhooks: events become deliveries, and deliveries are sent."""
