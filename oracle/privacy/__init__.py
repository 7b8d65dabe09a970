"""What people's data is protected by: found and replaced (anonymise), and released under a budget (release). Pure.

Sources of the methods stand where they are used; what protects whom from what is docs/privacy.md.
"""
