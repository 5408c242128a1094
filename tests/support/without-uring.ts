// To be imported before a program that is to find io_uring forbidden: node --import.
import { forbidUring } from './seccomp.js';

forbidUring();
