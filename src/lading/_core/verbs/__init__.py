"""What a client does with whole references: verbs, by what they are about."""
