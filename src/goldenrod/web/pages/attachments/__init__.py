"""Pages of what versions have attached: licenses and boot scripts."""
