/* The exit statuses of jit-broker's commands (jit-broker(8)). */
#ifndef JB_EXIT_H
#define JB_EXIT_H

enum jb_exit {
	JB_EXIT_OK = 0,
	JB_EXIT_FAILED = 1,	 /* refused, or it could not be done */
	JB_EXIT_USAGE = 2,	 /* the command line is wrong; an approver's configuration or token file */
	JB_EXIT_FOUND = 3,	 /* it was looked for, and something was found (audit join) */
	JB_EXIT_UNAVAILABLE = 4, /* the broker cannot be reached or cannot answer now */
	JB_EXIT_CONFIG = 78,	 /* EX_CONFIG of sysexits.h: an administrator has to mend what it cannot start with */
};

#endif
