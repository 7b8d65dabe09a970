"""One model of texts, learned by many owners of whom none shows what it holds: the plan, a member, the server and what they say."""
