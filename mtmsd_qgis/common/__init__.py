"""What every room uses: translation, folders, background threads."""
