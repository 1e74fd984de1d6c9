"""What the search on the hub and the downloads share: certificates, limits of servers, and what went wrong."""
