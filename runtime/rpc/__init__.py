"""RPCs of any transport: routes, callers, messages, how calls begin and end."""
