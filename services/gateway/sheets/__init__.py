"""What people are still writing: drafts before a letter is made of them, their files, and links for photographs."""
