"""What is sent, and when: schedules, images, and the processes that send them."""
