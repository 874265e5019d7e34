"""What all apps share: the page around the panels, links, static boards, exports."""
