"""The courier: webhooks to receivers nobody here has chosen, and none of whom is trusted."""
